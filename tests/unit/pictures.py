"""Results of studies in the schema, made by a formula, and what a picture of them shows."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Patch

N = 200


def coordinate(name, values, dim=None, unit="1"):
    attrs = {"long_name": name.replace("_", " "), "units": unit}
    return (dim or name, np.asarray(values, dtype=float), attrs)


def result(trust, private, dims, coords):
    """Statistics as a study writes them: success is logistic in trust, value follows it."""
    p = np.asarray(1.0 / (1.0 + np.exp(-40.0 * (trust - 0.528 - private))))
    z = 1.96
    middle, reach = p + z * z / (2 * N), z * np.sqrt(p * (1 - p) / N + z * z / (4 * N * N))
    scale = 1 + z * z / N
    value = 60.0 * p
    variables = {
        "success_mean": (p, "success probability", "1"),
        "success_low": ((middle - reach) / scale, "lower limit", "1"),
        "success_high": ((middle + reach) / scale, "upper limit", "1"),
        "success_count": (np.full(p.shape, float(N)), "replicates", "1"),
        "trust_a_mean": (p, "mean trust a", "1"),
        "trust_a_stderr": (np.full(p.shape, 0.02), "standard error", "1"),
        "trust_a_count": (np.full(p.shape, float(N)), "replicates", "1"),
        "joint_value_mean": (value, "mean joint value", "value"),
        "joint_value_std": (np.full(p.shape, 3.0), "deviation", "value"),
        "joint_value_stderr": (np.full(p.shape, 3.0 / np.sqrt(N)), "standard error", "value"),
        "joint_value_count": (np.full(p.shape, float(N)), "replicates", "1"),
        "n_invalid": (np.zeros(p.shape), "invalid replicates", "1"),
    }
    ds = xr.Dataset(
        {
            name: (dims, values, {"long_name": words, "units": unit})
            for name, (values, words, unit) in variables.items()
        },
        coords=coords,
        attrs={
            "model": "dyad",
            "replicates": N,
            "seed": 7,
            "complete": True,
            "time_unit": "month",
        },
    )
    spread = np.stack([value - 5.0, value, value + 5.0], axis=-1)
    attrs = {"long_name": "quantiles of joint value", "units": "value"}
    return ds.assign(joint_value_quantile=((*dims, "quantile"), spread, attrs)).assign_coords(
        quantile=coordinate("quantile", [0.05, 0.5, 0.95])
    )


def curve():
    """Return a result over trust, whose threshold is 0.528."""
    trust = np.linspace(0.0, 1.0, 51)
    coords = {"initial_trust": coordinate("initial_trust", trust)}
    return result(trust, 0.0, ("initial_trust",), coords)


def surface():
    """Return a result over trust and private orientation, which shifts the threshold."""
    trust, private = np.linspace(0.0, 1.0, 31), np.linspace(0.0, 0.6, 13)
    coords = {
        "initial_trust": coordinate("initial_trust", trust),
        "private_orientation": coordinate("private_orientation", private),
    }
    return result(trust[:, None], private, ("initial_trust", "private_orientation"), coords)


def points():
    """Return a result at 80 random points of three parameters."""
    rng = np.random.default_rng(1)
    trust, private, noise = rng.random(80), 0.3 * rng.random(80), rng.random(80)
    coords = {
        "initial_trust": coordinate("initial_trust", trust, "point"),
        "private_orientation": coordinate("private_orientation", private, "point"),
        "trust_noise": coordinate("trust_noise", noise, "point", "month^-1/2"),
    }
    return result(trust, private, ("point",), coords)


def of(ax, kind):
    """Return the artists of a kind."""
    return [artist for artist in ax.get_children() if isinstance(artist, kind)]


def lines(ax):
    """Return the lines that have points."""
    return [line for line in ax.get_lines() if len(line.get_xdata()) > 0]


def legend_texts(holder):
    """Return the texts of the legends of axes, or of a figure."""
    legends = holder.legends if isinstance(holder, Figure) else [holder.get_legend()]
    return [text.get_text() for legend in legends for text in legend.get_texts()]


def hatched(ax):
    """Return the hatched patches."""
    return [patch for patch in of(ax, Patch) if patch.get_hatch()]
