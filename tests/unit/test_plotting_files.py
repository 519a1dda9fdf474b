import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from fastalliance.errors import ConfigError, DesignError, FastAllianceError
from fastalliance.plotting import plot_study, plot_trajectories, save


def coordinate(name, values, unit="1"):
    return (
        name,
        np.asarray(values, dtype=float),
        {"long_name": name.replace("_", " "), "units": unit},
    )


def trajectories(n_replicates):
    time = np.arange(0.0, 61.0)
    noise = np.random.default_rng(2).normal(0.0, 0.02, (3, n_replicates, time.size))
    trust = np.clip(0.6 * np.exp(-time / 20.0) + noise, 0.0, 1.0)
    dims = ("replicate", "time")
    return xr.Dataset(
        {
            "trust_a_path": (dims, trust[0], {"long_name": "trust a", "units": "1"}),
            "joint_value_path": (
                dims,
                np.cumsum(trust[2], axis=1),
                {"long_name": "joint value", "units": "value"},
            ),
            "trust_b_path": (dims, trust[1], {"long_name": "trust b", "units": "1"}),
            "dissolution_time": ("replicate", np.full(n_replicates, 26.5), {"units": "month"}),
        },
        coords={
            "replicate": coordinate("replicate", np.arange(n_replicates)),
            "time": coordinate("time", time, "month"),
        },
        attrs={"model": "dyad", "replicates": n_replicates, "seed": 7, "time_unit": "month"},
    )


def of(ax, kind):
    return [artist for artist in ax.get_children() if isinstance(artist, kind)]


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_trajectories__of_one_replicate_name_it_and_its_point():
    ds = trajectories(1).assign_coords(replicate=("replicate", [17]))
    assert plot_trajectories(ds).get_suptitle() == "dyad, replicate 17, seed 7"
    choice = {"flag_values": [0.0, 1.0], "flag_meanings": "calm rough", "units": "1"}
    ds = ds.assign_coords(initial_trust=0.5, mode=((), 1.0, choice)).assign_attrs(point=4)
    title = plot_trajectories(ds).get_suptitle()
    assert title == "dyad, replicate 17, seed 7\nat initial trust 0.5, mode rough"
    many = ds.assign_coords({f"parameter_{i}": float(i) for i in range(9)})
    title = plot_trajectories(many).get_suptitle()
    assert title == "dyad, replicate 17, seed 7\nat design point 4"


def test_trajectories__pairs_share_a_panel(tmp_path):
    figure = plot_trajectories(trajectories(12))
    trust, value = figure.axes
    assert (trust.get_ylabel(), value.get_ylabel()) == ("trust", "joint value [value]")
    assert trust.get_xlabel() == value.get_xlabel() == "time [month]"
    assert (len(trust.get_lines()), len(value.get_lines())) == (24, 12)
    assert len({line.get_color() for line in trust.get_lines()}) == 2
    assert legend_texts(figure) == ["partner a", "partner b"]
    assert figure.get_suptitle() == "dyad, 12 replicates, seed 7"


def test_trajectories__single_replicate_marks_dissolution():
    figure = plot_trajectories(trajectories(1))
    assert "dissolution time 26.5 month" in legend_texts(figure)
    for ax in figure.axes:
        assert ax.get_lines()[-1].get_xdata() == [26.5, 26.5]
    survived = trajectories(1)
    survived["dissolution_time"][:] = np.nan
    assert len(plot_trajectories(survived).axes[1].get_lines()) == 1


def test_trajectories__many_are_bands():
    ds = trajectories(60)
    ds["trust_a_path"][:, 40:] = np.nan  # no replicate is valid there
    figure = plot_trajectories(ds)
    trust, value = figure.axes
    assert (len(of(trust, PolyCollection)), len(trust.get_lines())) == (4, 2)
    (median,) = value.get_lines()
    np.testing.assert_allclose(median.get_ydata(), ds["joint_value_path"].median("replicate"))
    assert "25 to 75 % of replicates" in legend_texts(figure)


def test_trajectories__a_design_needs_its_point():
    ds = xr.concat([trajectories(2), trajectories(2)], dim="initial_trust").assign_coords(
        initial_trust=coordinate("initial_trust", [0.4, 0.5])
    )
    with pytest.raises(DesignError, match="--at initial_trust=VALUE"):
        plot_trajectories(ds)
    figure = plot_trajectories(ds, at={"initial_trust": 0.5})
    assert figure.get_suptitle().endswith("at initial trust 0.5")


def test_trajectories__none_recorded():
    with pytest.raises(DesignError, match=r"no trajectories.*record_every"):
        plot_trajectories(trajectories(2)[["dissolution_time"]])


def test_trajectories__are_no_statistics():
    with pytest.raises(DesignError, match=r"no statistics to plot.*plot_trajectories"):
        plot_study(trajectories(3))


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")]
)
def test_save__format_by_suffix_into_new_directories(tmp_path, suffix, start):
    path = tmp_path / "new" / "deep" / f"plot{suffix}"
    plot_trajectories(trajectories(2), path=path)
    assert path.read_bytes().startswith(start)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_save__resolution_and_permissions(tmp_path):
    figure = plot_trajectories(trajectories(2))
    path = save(figure, tmp_path / "plot.png")
    assert int.from_bytes(path.read_bytes()[16:20], "big") >= 150 * figure.get_figwidth()
    mask = os.umask(0o022)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("name", ["plot.jpg", "plot", ".png", "plot.png.zip"])
def test_save__other_suffix_is_refused_before_drawing(tmp_path, name):
    with pytest.raises(ConfigError, match=r"\.png, \.svg, \.pdf"):
        plot_study(xr.Dataset(), path=tmp_path / name)
    with pytest.raises(ConfigError, match=r"\.png, \.svg, \.pdf"):
        plot_trajectories(xr.Dataset(), path=tmp_path / name)
    with pytest.raises(ConfigError, match=r"\.png, \.svg, \.pdf"):
        save(Figure(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_save__replaces_a_plot_but_nothing_else(tmp_path):
    old = tmp_path / "plot.png"
    old.write_bytes(b"old")
    with old.open("rb") as reader:
        save(Figure(), old)
        assert reader.read() == b"old"  # whoever is reading keeps the whole old plot
    assert old.read_bytes().startswith(b"\x89PNG")
    (tmp_path / "directory.png").mkdir()
    with pytest.raises(ConfigError, match="not a file"):
        save(Figure(), tmp_path / "directory.png")
    with pytest.raises(FastAllianceError, match="cannot write"):
        save(Figure(), old / "plot.png")


def test_save__failure_leaves_the_old_plot_and_no_temporary(tmp_path, monkeypatch):
    path = tmp_path / "plot.png"
    path.write_bytes(b"old")

    def fail(self, stream, **kwargs):
        stream.write(b"half a plot")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(FastAllianceError, match="No space left on device"):
        save(Figure(), path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["plot.png"]


def test_threads__draw_at_the_same_time(tmp_path):
    ds = trajectories(5)
    plot_trajectories(ds, path=tmp_path / "alone.png")
    with ThreadPoolExecutor(4) as pool:
        paths = [tmp_path / f"{i}.png" for i in range(8)]
        list(pool.map(lambda path: plot_trajectories(ds, path=path), paths))
    assert {path.read_bytes() for path in paths} == {(tmp_path / "alone.png").read_bytes()}


def test_import__neither_pyplot_nor_xarray():
    code = (
        "import sys; import fastalliance.plotting;"
        "print([m for m in ('matplotlib.pyplot', 'xarray', 'numba') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def test_saving__does_not_import_pyplot(tmp_path):
    code = (
        "import sys; from fastalliance.plotting import save;"
        "from fastalliance.plotting.figure import new_figure;"
        f"[save(new_figure(2, 2), {str(tmp_path / 'a')!r} + s) for s in ('.png', '.svg', '.pdf')];"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "False"
