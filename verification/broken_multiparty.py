"""Mutations of `multiparty`, of the formulas that it shares, and of what it needs of the driver."""

from __future__ import annotations

from verification.mutation import mutations_of

TWIN = "oracle/test_multiparty_twin.py::"
EXACT = "exact/test_multiparty_exact.py::"
CASCADES = "exact/test_multiparty_cascades.py::"
HAZARDS = "exact/test_multiparty_hazards.py::"
BITS = "invariance/test_multiparty_bits.py::"

FORMULAS = mutations_of(
    "library/multiparty_formulas.py",
    (
        "own-contribution-is-another-s",
        "difference = total - own",
        "difference = total",
        (f"{EXACT}test_x2_two_members__are",),
    ),
    (
        "joint-value-per-member",
        "return joint / s.capability if",
        "return joint / s.members if",
        (f"{EXACT}test_x11_synergy",),
    ),
    (
        "shock-of-the-whole-alliance",
        "(g.wave / peers)",
        "(g.wave / others)",
        (f"{EXACT}test_x9",),
    ),
    (
        "entry-without-membership-cost",
        "net = surplus - p.membership_cost",
        "net = surplus",
        (f"{HAZARDS}test_x10_slots",),
    ),
    (
        "seats-never-filled-count-as-left",
        "gone=m.weight if m.status == EXITED else 0.0",
        "gone=m.weight if m.status != MEMBER else 0.0",
        (f"{TWIN}test_case",),
    ),
    (
        "seeds-leave-whenever-they-come-back",
        "(m.seeded > 0.0) & (at.step == p.seed_step)",
        "m.seeded > 0.0",
        (f"{TWIN}test_case",),
    ),
    (
        "no-tie-tolerance-among-members",
        "m.threshold - _TIE",
        "m.threshold",
        (f"{TWIN}test_thresholds__ties",),
    ),
    (
        "one-member-is-nobody",
        "return s.members == 0.0",
        "return s.members <= 1.0",
        (f"{BITS}test_records",),
    ),
)

SHARED = [
    *mutations_of(
        "library/multiparty_firms.py",
        (
            "membership-costs-nothing",
            "* (1.0 + p.membership_cost) / p.network_effect",
            "/ p.network_effect",
            (f"{EXACT}test_x3_tipping", f"{EXACT}test_x11_payoffs"),
        ),
    ),
    *mutations_of(
        "library/trust_formulas.py",
        (
            "trust-is-lost-as-it-is-gained",
            "p.gain_step if gap > 0.0 else p.loss_step",
            "p.loss_step if gap > 0.0 else p.gain_step",
            (f"{EXACT}test_x3_tipping", "exact/test_dyad_facts.py::test_f1_f2_f3"),
        ),
    ),
    *mutations_of(
        "library/exit_formulas.py",
        (
            "central-members-are-not-immune",
            "return 1.0 - p.immunity * centrality",
            "return 1.0 + 0.0 * centrality",
            (f"{CASCADES}test_x6_mean_field__approached",),
        ),
        (
            "exits-weigh-alike",
            "return 1.0 + p.prominence_weight * centrality",
            "return 1.0 + 0.0 * centrality",
            (f"{CASCADES}test_x6_mean_field__approached",),
        ),
        (
            "hazard-without-pressure",
            "exp(p.imitation * felt)",
            "exp(p.imitation)",
            (f"{HAZARDS}test_x8_imitation",),
        ),
    ),
]

DRIVER = [
    *mutations_of(
        "engine/render_population.py",
        (
            "stops-when-the-first-alliance-is-empty",
            "n_finished == {self.fields.lanes}",
            "n_finished > 0",
            (f"{BITS}test_records",),
        ),
    ),
    *mutations_of(
        "engine/render_sweep.py",
        (
            "pairs-of-members-share-a-draw",
            "drawn_{i}[lane] = second_{i}[lane]",
            "drawn_{i}[lane] = drawn_{i}[lane]",
            (f"{EXACT}test_x2_two_members__are",),
        ),
        (
            "draws-of-pairs-under-members-numbers",
            'member="i >> 1"',
            'member="i"',
            (f"{TWIN}test_defaults",),
        ),
        (
            "arrivals-in-every-lane",
            "        if arriving[lane] > 0.0:",
            "        if n_arriving > 0:",
            (f"{BITS}test_lanes",),
        ),
        (
            "nobody-arrives-where-one-does",
            "if n_arriving > 0:",
            "if n_arriving > 1:",
            (f"{BITS}test_lanes",),
        ),
        (
            "a-single-lane-is-not-touched",
            "if n_touched > 0:",
            "if n_touched > 1:",
            (f"{EXACT}test_x9",),
        ),
    ),
]

MUTATIONS = [*FORMULAS, *SHARED, *DRIVER]
