"""The stylised facts of `multiparty` as its page prints them, mean(one standard error)."""

from __future__ import annotations

from tests.exact.multiparty_cells import (
    NO_EXIT,
    Contrast,
    Fact,
    Order,
    Printed,
    along,
    rising,
    shares,
)

TRUSTING = {"initial_trust": 0.7}
AT_RANDOM = {"seed_rule": 0.0}

# --- Trust, and who leaves first ------------------------------------------------------------------

TIPPING = Fact(
    name="F1",
    claim="a tipping threshold of trust",
    cells=along("initial_trust", 0.5, 0.55, 0.575, 0.6, 0.65, 0.75),
    printed={
        "collapsed": shares("1.000(.000) .961(.006) .556(.016) .160(.012) .074(.008) .074(.008)"),
        "trust": shares("0.000 .040(.006) - .868(.009) .962(.003) -"),
    },
    orders=[*rising("collapsed", 4, 3, 2, 1, 0), *rising("trust", 0, 1, 3, 4)],
)
EXITS_RAISE_IT = Fact(
    name="F1b",
    claim="exits raise the threshold",
    cells=[{"initial_trust": trust} | exits for trust in (0.575, 0.6) for exits in (NO_EXIT, {})],
    printed={"trusting": shares(".588(.016) .466(.016) .970(.005) .896(.010)")},
    orders=[Order("trusting", 1, 0), Order("trusting", 3, 2)],
)


def _drop(first: int) -> Contrast:
    return Contrast("collapsed", {first: 1.0, first + 1: -1.0})


SHARPER = Fact(
    name="F2",
    claim="the threshold is sharper in larger alliances",
    cells=[{"slots": n, "initial_trust": t} for n in (16, 64, 256) for t in (0.55, 0.6)],
    printed={"collapsed": shares(".790 .306 .961 .160 1.000 .019")},
    contrasts={
        "drop, N = 16": (_drop(0), Printed(0.484, 0.016)),
        "drop, N = 64": (_drop(2), Printed(0.801, 0.013)),
        "drop, N = 256": (_drop(4), Printed(0.981, 0.004)),
    },
)
WHO_LEAVES = Fact(
    name="F3",
    claim="it matters who leaves first",
    cells=[{}, *({"seed_exits": 3, "seed_rule": rule} for rule in (-1, 0, 1))],
    shared=TRUSTING,
    printed={
        "collapsed": shares(".074(.008) .150(.011) .258(.014) .742(.014)"),
        "exit_share": shares(".220(.006) .303(.007) .380(.008) .716(.009)"),
    },
    orders=[*rising("collapsed", 0, 1, 2, 3), *rising("exit_share", 0, 1, 2, 3)],
)
IMMUNITY = Fact(
    name="F4",
    claim="immunity damps cascades",
    cells=along("immunity", 0.0, 0.4, 0.8),
    shared=TRUSTING | AT_RANDOM | {"seed_exits": 4},
    printed={"collapsed": shares(".803(.013) .573(.016) .349(.015)")},
    orders=rising("collapsed", 2, 1, 0),
)
CENTRAL_IMITATE_LESS = Fact(
    name="F5",
    claim="central members imitate less",
    cells=along("immunity", 0.0, 0.8),
    shared=TRUSTING | AT_RANDOM | {"seed_exits": 4, "payoff_weight": 0.0},
    printed={
        "peripheral_exit_share": shares("- .472(.009)"),
        "central_exit_share": shares("- .264(.007)"),
        "exit gap": shares(".035(.003) .208(.005)"),
    },
    contrasts={"gap at immunity .8": (Contrast("exit gap", {1: 1.0}), Printed(0.208, 0.005))},
    orders=rising("exit gap", 0, 1),
)
EXITS_DESTROY_TRUST = Fact(
    name="F6",
    claim="exits destroy the trust of those who stay",
    cells=[{"seed_exits": 3}, NO_EXIT, {"seed_exits": 3, "exit_shock": 0.0}],
    horizon=24.0,
    printed={"survivors' trust": shares(".551(.008) .856(.003) .841(.004)")},
    orders=[Order("survivors' trust", 0, 1), Order("survivors' trust", 0, 2)],
)

# --- Feedbacks, industries, shares of the surplus -------------------------------------------------

UNCERTAINTY = Fact(
    name="F7",
    claim="uncertainty",
    cells=along("uncertainty", 0.5, 0.75, 1.0, 1.25, 1.5),
    shared=TRUSTING | AT_RANDOM | {"seed_exits": 3},
    printed={
        "exit_share": shares(".177(.002) .215(.003) .380(.008) .672(.010) .877(.008)"),
        "collapsed": shares(".000 .017 .258 .657 .866"),
    },
    orders=[*rising("exit_share", 0, 1, 2, 3, 4), *rising("collapsed", 1, 2, 3, 4)],
)
FEEDBACKS = Fact(
    name="F8",
    claim="the feedbacks multiply",
    cells=[{"exit_shock": shock, "payoff_weight": w} for shock in (0, 2) for w in (0, 2)],
    shared=AT_RANDOM | {"seed_exits": 8, "seed_time": 6.0, "uncertainty": 0.75},
    printed={"collapsed": shares(".137(.011) .174(.012) .137 .904(.009)")},
    contrasts={
        "interaction": (
            Contrast("collapsed", {3: 1.0, 2: -1.0, 1: -1.0, 0: 1.0}),
            Printed(0.730, 0.014),
        )
    },
    orders=[Order("collapsed", 0, 1, 3.0), Order("collapsed", 1, 3)],
)
LOCAL_SHOCK = Fact(
    name="F9",
    claim="industries contain a local shock",
    cells=along("industries", 1, 2, 4, 8),
    shared=TRUSTING | AT_RANDOM | {"seed_exits": 8, "seed_industry": 0},
    printed={"collapsed": shares(".600(.015) .652(.015) .414(.016) .228(.013)")},
    orders=rising("collapsed", 3, 2, 0),
)
SPREAD_SHOCK = Fact(
    name="F9b",
    claim="intermediate fragmentation is worst",
    cells=along("industries", 1, 4, 16),
    shared=TRUSTING | AT_RANDOM | {"seed_exits": 8},
    runs=4000,
    printed={"collapsed": shares(".587(.008) .662(.007) .524(.008)")},
    orders=[Order("collapsed", 0, 1), Order("collapsed", 2, 1)],
)
SHARING = Fact(
    name="F10",
    claim="sharing the surplus",
    cells=along("bargaining", 0.0, 0.5, 1.0, 1.5, 2.0),
    shared=TRUSTING,
    printed={
        "collapsed": shares(".809(.012) .087(.009) .074(.008) .318(.015) 1.000"),
        "surplus": shares(".199 .802 .832 .678 .024"),
    },
    orders=[
        *rising("collapsed", 1, 0),
        *rising("collapsed", 2, 3, 4),
        *rising("surplus", 0, 1),
        *rising("surplus", 4, 3, 2),
    ],
)
PRIVATE_PURSUIT = Fact(
    name="F11",
    claim="private pursuit",
    cells=along("private_orientation", 0.0, 0.05, 0.1, 0.125, 0.15),
    shared=TRUSTING,
    printed={
        "collapsed": shares(".074 .074 .195(.013) .909(.009) 1.000"),
        "surplus": shares(".832 .757 .592 .149 .062"),
    },
    orders=[*rising("collapsed", 1, 2, 3, 4), *rising("surplus", 4, 3, 2, 1, 0)],
)

# --- Entry ----------------------------------------------------------------------------------------

BANDWAGON = Fact(
    name="F12",
    claim="bandwagon",
    cells=along("participation_returns", 0.5, 0.0),
    shared={
        "initial_share": 0.125,
        "entry_rate": 0.05,
        "initial_trust": 0.85,
        "base_hazard": 0.0,
    },
    horizon=60.0,
    yearly=True,
    printed={
        "gain of year 1": shares(".090(.001) .279"),
        "gain of year 2": shares(".131(.002) .227"),
        "gain of year 3": shares(".150(.002) .146"),
        "gain of year 4": shares(".146(.002) .090"),
        "gain of year 5": shares(".115(.001) .053"),
    },
)
CRITICAL_MASS = Fact(
    name="F13",
    claim="critical mass",
    cells=along("initial_share", 0.125, 0.25, 0.5, 1.0),
    shared=TRUSTING | {"entry_rate": 0.05},
    printed={"collapsed": shares(".827(.012) .278(.014) .016(.004) .000")},
    orders=[*rising("collapsed", 2, 1, 0), Order("collapsed", 3, 2, 3.0)],
)
BOOM_AND_BUST = Fact(
    name="F14",
    claim="boom and bust",
    cells=along("entry_rate", 0.2),
    shared={"initial_share": 0.25, "initial_trust": 0.6},
    yearly=True,
    printed={
        "peak_membership": shares(".560(.005)"),
        "membership": shares(".041(.006)"),
        "collapsed": shares(".965(.006)"),
        "grew, then collapsed": shares(".885(.010)"),
    },
)
ENTRY_HEALS = Fact(
    name="F15",
    claim="open entry also heals",
    cells=along("entry_rate", 0.0, 0.02, 0.05),
    shared=TRUSTING | AT_RANDOM | {"seed_exits": 8},
    printed={"collapsed": shares(".678(.015) .099(.009) .015(.004)")},
    orders=rising("collapsed", 2, 1, 0),
)

# --- The step of time -----------------------------------------------------------------------------

STEPS = [
    Fact(
        name=f"dt {dt:g}",
        claim="steps hardly matter",
        cells=[{}, TRUSTING | {"seed_exits": 3}],
        dt=dt,
        runs=600,
        printed={"collapsed": shares(found)},
    )
    for dt, found in ((0.25, ".160 .735"), (0.125, ".157 .740"), (0.0625, ".157(.015) .740(.018)"))
]

FACTS = [
    TIPPING,
    EXITS_RAISE_IT,
    SHARPER,
    WHO_LEAVES,
    IMMUNITY,
    CENTRAL_IMITATE_LESS,
    EXITS_DESTROY_TRUST,
    UNCERTAINTY,
    FEEDBACKS,
    LOCAL_SHOCK,
    SPREAD_SHOCK,
    SHARING,
    PRIVATE_PURSUIT,
    BANDWAGON,
    CRITICAL_MASS,
    BOOM_AND_BUST,
    ENTRY_HEALS,
    *STEPS,
]
