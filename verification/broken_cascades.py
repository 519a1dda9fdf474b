"""Mutations of exit cascades, of the population driver and of networks."""

from __future__ import annotations

from verification.mutation import mutations_of

TWIN = "oracle/test_exit_cascade_twin.py::"
STRUCTURE = "oracle/test_exit_cascade_twin_structure.py::"
OWN = "unit/test_population.py::"

FORMULAS = mutations_of(
    "library/exit_cascade_formulas.py",
    ("own-weight-counts", "peers = g.weight - m.weight", "peers = g.weight", (f"{TWIN}test_def",)),
    (
        "no-immunity-in-industry",
        "industry_pull = damping * p.industry_weight / peers",
        "industry_pull = p.industry_weight / peers",
        (f"{TWIN}test_defaults",),
    ),
    (
        "no-tie-tolerance",
        "leaves(felt, m.threshold - _TIE,",
        "leaves(felt, m.threshold,",
        ("exact/test_exit_cascade_exact.py::test_x1_ties",),
    ),
    ("leaves-twice", "leaves = (m.left < 0.0) & exit", "leaves = exit", (f"{TWIN}test_defaults",)),
    (
        "memory-adds-before-it-fades",
        "Gone(g.gone * p.kept + sums.weight)",
        "Gone((g.gone + sums.weight) * p.kept)",
        (f"{TWIN}test_random",),
    ),
    (
        "uncertainty-a-step-late",
        "p.uncertainty_decay * (now * p.dt)",
        "p.uncertainty_decay * ((now - 1.0) * p.dt)",
        (f"{TWIN}test_random",),
    ),
    (
        "seeds-count-as-peak",
        "max(s.peak_exits, sums.number) if at.step >= 0 else 0.0",
        "max(s.peak_exits, sums.number)",
        (f"{TWIN}test_random",),
    ),
    (
        "settled-with-a-hazard",
        "stuck = p.hazard == 0.0 and at.step >= 0 and not some",
        "stuck = at.step >= 0 and not some",
        (f"{TWIN}test_defaults",),
    ),
)

DRIVER = [
    *mutations_of(
        "engine/render_sweep.py",
        (
            "industries-overlap",
            "low_member = (g * n_members + n_industries - 1) // n_industries",
            "low_member = g * n_members // n_industries",
            (f"{OWN}test_driver__against",),
        ),
    ),
    *mutations_of(
        "engine/render_population.py",
        (
            "graph-of-the-block",
            "graph = replicate % first_neighbours.shape[0]",
            "graph = 0",
            (f"{STRUCTURE}test_networks",),
        ),
    ),
    *mutations_of(
        "kernels/ranking.py",
        (
            "ties-by-higher-index",
            "if keys[i] == low:",
            "if keys[i] == low and i > 0:",
            ("unit/test_ranking.py::test_mark_highest__sorting",),
        ),
    ),
    *mutations_of(
        "kernels/telling.py",
        (
            "the-next-ones-neighbours-are-told",
            "np.uint64(is_open[j]) & np.uint64(e < end)",
            "np.uint64(is_open[j])",
            ("unit/test_telling.py::test_tell__one_by_one",),
        ),
    ),
    *mutations_of(
        "engine/render_strips.py",
        (
            "who-was-visited-is-visited-no-more",
            "listed[j] = 0",
            "listed[j] = 1",
            (f"{STRUCTURE}test_networks",),
        ),
    ),
]

ANALYSIS = mutations_of(
    "networks/centrality.py",
    (
        "betweenness-not-rounded",
        "return np.round(raw / np.where(largest > 0.0, largest, 1.0), 12)",
        "return raw / np.where(largest > 0.0, largest, 1.0)",
        (f"{STRUCTURE}test_networks__equal_betweenness",),
    ),
)

MUTATIONS = [*FORMULAS, *DRIVER, *ANALYSIS]
