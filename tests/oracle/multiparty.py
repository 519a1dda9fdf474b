"""Slow, obvious twin of the model `multiparty`: one alliance, one firm at a time, plain Python.

Written from models/multiparty.md and models/README.md alone, never from a kernel; the numbers in
the comments are those of the page's "Step k". What the compiled model does for speed (several
alliances at once, draws and exponentials left out where nothing needs them) is left undone here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.oracle import philox
from tests.oracle.dyad import clip01, logistic, n_steps
from tests.oracle.exit_cascade import exp, share
from tests.oracle.multiparty_cases import OUTPUTS, PARAMETERS

FIRM, CLOCK, TRUST0, SEED, NOISE, ENTRY = 1, 2, 3, 4, 5, 6
TIE = 1e-12  # a pressure this near to the threshold counts as reached
NOBODY = 1e-9  # others of no more prominence than this are none

DEFAULTS = {name: default for name, (default, _, _) in PARAMETERS.items()}
SLOTS, INDUSTRIES, HORIZON, DT = 64, 4, 120.0, 0.25
STATES = ("trust", "engagement", "openness", "benefit")


@dataclass(eq=False)
class Firm:
    """A firm that is, or was, a member; `exit_time` is NaN while it is."""

    slot: int
    industry: int
    capability: float
    centrality: float
    prominence: float
    power: float
    threshold: float
    draw: float
    trust: float
    engagement: float
    openness: float
    benefit: float
    entry_time: float
    exit_time: float = math.nan
    hazard: float = 0.0

    @property
    def active(self) -> bool:
        return math.isnan(self.exit_time)

    @property
    def contribution(self) -> float:
        return self.engagement * self.openness


@dataclass(eq=False)
class Alliance:
    """One alliance: its parameters and address, the firm in each slot, and what is counted."""

    p: Mapping[str, float]
    slots: int
    industries: int
    seed: int
    instance: int
    dt: float
    holders: list[Firm | None] = field(default_factory=list)
    firms: list[Firm] = field(default_factory=list)  # all that ever were members, as they came
    peak: int = 0
    collapse_time: float = math.nan
    largest_wave: int = 0
    surplus: float = 0.0
    margin: float = math.inf

    @property
    def members(self) -> list[Firm]:
        return [firm for firm in self.holders if firm is not None and firm.active]

    def near(self, distance: float, scale: float) -> None:
        """Note how near a decision was, relative to 1 or to `scale`, where it is larger."""
        if math.isfinite(distance):
            self.margin = min(self.margin, abs(distance) / max(1.0, abs(scale)))


@dataclass(eq=False)
class Totals:
    """What the members and the gone add up to at t_k (items 1 to 4)."""

    n: int
    capability: float
    power: float
    contribution: float
    engagement: float
    openness: float
    present: float
    present_in: list[float]
    gone: float
    gone_in: list[float]
    value: float = 0.0
    sigma: float = 1.0


def others_share(part: float, others: float) -> float:
    """Return `part / others`, 0 where there are no others to speak of."""
    return part / others if others > NOBODY else 0.0


def initial_members(initial_share: float, slots: int) -> list[int]:
    """Return the slots that are filled at t = 0, evenly interleaved."""
    n0 = math.floor(initial_share * slots + 0.5)
    return [i for i in range(slots) if (i + 1) * n0 // slots > i * n0 // slots]


def bear(a: Alliance, i: int, birth_step: int) -> None:
    """Let a firm be born in slot i at the start of step `birth_step`."""
    p = a.p
    z0, z1 = philox.normals(a.seed, a.instance, FIRM, birth_step, i)
    u0, u1 = philox.uniforms(a.seed, a.instance, CLOCK, birth_step, i)
    z0_trust, _ = philox.normals(a.seed, a.instance, TRUST0, birth_step, i)
    capability = math.exp(p["capability_sd"] * z0 - p["capability_sd"] ** 2 / 2.0)
    centrality = u0 ** p["centrality_skew"]
    trust = clip01(p["initial_trust"] + p["initial_trust_sd"] * z0_trust)
    firm = Firm(
        slot=i,
        industry=i * a.industries // a.slots,
        capability=capability,
        centrality=centrality,
        prominence=1.0 + p["prominence_weight"] * centrality,
        power=capability ** p["bargaining"] * (1.0 + p["centrality_premium"] * centrality),
        threshold=p["threshold_mean"] + p["threshold_sd"] * z1,
        draw=-math.log(u1),
        trust=trust,
        engagement=p["initial_engagement"],
        openness=logistic(trust, p["openness_midpoint"], p["openness_steepness"]),
        benefit=p["initial_benefit"],
        entry_time=birth_step * a.dt,
    )
    a.holders[i] = firm
    a.firms.append(firm)
    a.near(centrality - 0.5, 1.0)  # counted as central from 1/2 on


def add_up(a: Alliance) -> Totals:
    """Return the totals, joint value and synergy at t_k."""
    # 1. sums over active members; prominence of the active and of the gone
    active = a.members
    gone = [firm for firm in a.holders if firm is not None and not firm.active]
    industries = range(a.industries)
    s = Totals(
        n=len(active),
        capability=sum(f.capability for f in active),
        power=sum(f.power for f in active),
        contribution=sum(f.capability * f.contribution for f in active),
        engagement=sum(f.capability * f.engagement for f in active),
        openness=sum(f.capability * f.openness for f in active),
        present=sum(f.prominence for f in active),
        present_in=[sum(f.prominence for f in active if f.industry == g) for g in industries],
        gone=sum(f.prominence for f in gone),
        gone_in=[sum(f.prominence for f in gone if f.industry == g) for g in industries],
    )
    a.peak = max(a.peak, s.n)
    if s.n > 0:
        # 3. joint value
        roots = [f.capability * math.sqrt(f.contribution * others(f, s)[0]) for f in active]
        s.value = sum(roots) / s.capability
        # 4. synergy
        reach = (s.n / a.slots) ** a.p["participation_returns"]
        kept = 1.0 - a.p["private_orientation"]
        s.sigma = 1.0 + a.p["network_effect"] * kept * s.value * reach
    return s


def others(f: Firm, s: Totals) -> tuple[float, float, float]:
    """Return the others' mean contribution, engagement and openness (item 2)."""
    if s.n <= 1:
        return 0.0, 0.0, 0.0
    capability = s.capability - f.capability
    return (
        max(0.0, (s.contribution - f.capability * f.contribution) / capability),
        max(0.0, (s.engagement - f.capability * f.engagement) / capability),
        max(0.0, (s.openness - f.capability * f.openness) / capability),
    )


def split(f: Firm, s: Totals) -> float:
    """Return rho_i: the share by power over the share by capability."""
    return (f.power / s.power) * (s.capability / f.capability)


def benefit(f: Firm, s: Totals, p: Mapping[str, float]) -> float:
    """Return b_i, the net benefit of membership (item 5)."""
    _, mean_engagement, mean_openness = others(f, s)
    taken = p["private_gain"] * f.engagement * mean_openness
    lost = p["private_harm"] * mean_engagement * f.openness
    private = p["network_effect"] * p["private_orientation"] * (taken - lost)
    payoff = s.sigma * split(f, s) - p["membership_cost"] + private
    return (payoff - 1.0) / p["network_effect"]


def others_prominence(f: Firm, s: Totals) -> tuple[float, float]:
    """Return D_I and D_A: the prominence of all others, gone or not."""
    industry = s.gone_in[f.industry] + s.present_in[f.industry] - f.prominence
    return industry, s.gone + s.present - f.prominence


def pressure(f: Firm, s: Totals, p: Mapping[str, float]) -> float:
    """Return the pressure to leave: peers' exits and the payoff shortfall (item 6)."""
    industry, alliance = others_prominence(f, s)
    exits = p["industry_weight"] * others_share(s.gone_in[f.industry], industry)
    exits += p["alliance_weight"] * others_share(s.gone, alliance)
    imitation = p["uncertainty"] * (1.0 - p["immunity"] * f.centrality) * exits
    return imitation + p["payoff_weight"] * p["network_effect"] * max(0.0, -f.benefit)


def forced(a: Alliance) -> list[Firm]:
    """Return the members whose exit is forced at seed_time (item 7)."""
    rule, industry = a.p["seed_rule"], int(a.p["seed_industry"])
    eligible = [f for f in a.members if industry < 0 or f.industry == industry]

    def score(f: Firm) -> float:
        u0, _ = philox.uniforms(a.seed, a.instance, SEED, 0, f.slot)
        return rule * f.centrality + (1.0 - abs(rule)) * u0

    ranked = sorted(eligible, key=lambda f: (-score(f), f.slot))
    n = int(a.p["seed_exits"])
    if 0 < n < len(ranked):
        last, next_one = score(ranked[n - 1]), score(ranked[n])
        a.near(share(last - next_one, abs(last) + abs(next_one)), 1.0)
    return ranked[:n]


def leavers(a: Alliance, s: Totals, k: int) -> list[Firm]:
    """Return the members that leave in step k, and let the hazard of all members run (item 7)."""
    p, found = a.p, []
    at_seed_time = k == math.floor(p["seed_time"] / a.dt + 0.5)
    seeds = forced(a) if at_seed_time else []
    for f in a.members:
        push = pressure(f, s, p)
        if p["base_hazard"] > 0.0:
            f.hazard += p["base_hazard"] * exp(p["imitation"] * push) * a.dt
        if push >= f.threshold - TIE or f.hazard >= f.draw or f in seeds:
            found.append(f)
        a.near(push - (f.threshold - TIE), f.threshold)
        a.near(f.hazard - f.draw, f.draw)
    return found


def move(a: Alliance, s: Totals, f: Firm, leaving: list[Firm], k: int) -> dict[str, float]:
    """Return trust, engagement, openness and benefit at t_{k+1} of a member that stays."""
    p, dt = a.p, a.dt
    mean_contribution, mean_engagement, _ = others(f, s)
    # 8. wave
    industry, alliance = others_prominence(f, s)
    wave_in = sum(g.prominence for g in leaving if g.industry == f.industry)
    wave = sum(g.prominence for g in leaving)
    blow = p["industry_weight"] * others_share(wave_in, industry)
    blow += p["alliance_weight"] * others_share(wave, alliance)
    # 9. trust: evidence against expectation, noise, then the shock
    lost = p["private_harm"] * p["private_orientation"] * mean_engagement * f.openness
    gap = mean_contribution - lost - f.trust
    attention = p["base_attention"]
    attention += (1.0 - p["base_attention"]) * math.sqrt(f.engagement * mean_engagement)
    rate = (p["trust_gain"] if gap > 0.0 else p["trust_loss"]) * attention
    z = philox.normals(a.seed, a.instance, NOISE, k, f.slot // 2)[f.slot % 2]
    noise = p["trust_noise"] * math.sqrt(dt) * f.trust * (1.0 - f.trust) * z
    trust = clip01(f.trust + rate * gap * dt + noise) * math.exp(-p["exit_shock"] * blow)
    # engagement, openness, perceived benefit
    appeal = p["trust_weight"] * f.trust + (1.0 - p["trust_weight"]) * f.benefit
    engaged = logistic(appeal, p["engagement_midpoint"], p["engagement_steepness"])
    opened = logistic(f.trust, p["openness_midpoint"], p["openness_steepness"])
    opened *= 1.0 - p["private_withholding"] * p["private_orientation"]
    return {
        "trust": trust,
        "engagement": f.engagement + dt * (engaged - f.engagement) / p["engagement_time"],
        "openness": f.openness + dt * (opened - f.openness) / p["openness_time"],
        "benefit": f.benefit + dt * (benefit(f, s, p) - f.benefit) / p["benefit_time"],
    }


def entrants(a: Alliance, s: Totals, k: int) -> list[int]:
    """Return the slots without a member at t_k that fill, with firms born at k + 1 (item 10)."""
    if a.p["entry_rate"] <= 0.0:
        return []
    net = max(0.0, s.sigma - 1.0 - a.p["membership_cost"])
    probability = 1.0 - math.exp(-a.p["entry_rate"] * net * a.dt)
    found = []
    for i, firm in enumerate(a.holders):
        if firm is not None and firm.active:
            continue
        u = philox.uniforms(a.seed, a.instance, ENTRY, k, i // 2)[i % 2]
        a.near(u - probability, 1.0)
        if u < probability:
            found.append(i)
    return found


def step(a: Alliance, s: Totals, k: int) -> None:
    """Move the alliance from t_k, with totals `s`, to t_{k+1}."""
    if 2 * s.n < a.peak and math.isnan(a.collapse_time):
        a.collapse_time = k * a.dt
    a.surplus += (s.sigma - 1.0) * s.capability * a.dt
    entering = entrants(a, s, k)
    leaving = leavers(a, s, k)
    a.largest_wave = max(a.largest_wave, len(leaving))
    staying = [f for f in a.members if f not in leaving]
    moved = [move(a, s, f, leaving, k) for f in staying]
    # Nothing has changed until here: all of the above saw the state at t_k.
    for f, states in zip(staying, moved, strict=True):
        vars(f).update(states)
    for f in leaving:
        f.exit_time = (k + 1) * a.dt
    for i in entering:
        bear(a, i, k + 1)


def outputs(a: Alliance, s: Totals, horizon: float) -> dict[str, float]:
    """Return the outputs of an alliance with totals `s` at the horizon."""
    central = [f for f in a.firms if f.centrality >= 0.5]
    peripheral = [f for f in a.firms if f.centrality < 0.5]

    def exits(firms: list[Firm]) -> int:
        return sum(not f.active for f in firms)

    return {
        "membership": s.n / a.slots,
        "peak_membership": a.peak / a.slots,
        "exit_share": share(exits(a.firms), len(a.firms)),
        "entry_share": sum(f.entry_time > 0.0 for f in a.firms) / a.slots,
        "largest_wave": a.largest_wave / a.slots,
        "collapsed": float(2 * s.n < a.peak),
        "collapse_time": horizon if math.isnan(a.collapse_time) else a.collapse_time,
        "trust": share(sum(f.trust for f in a.members), s.n),
        "synergy": s.sigma,
        "surplus": a.surplus / (horizon * a.slots),
        "central_exit_share": share(exits(central), len(central)),
        "peripheral_exit_share": share(exits(peripheral), len(peripheral)),
        "central_exits": exits(central),
        "central_members": len(central),
        "peripheral_exits": exits(peripheral),
        "peripheral_members": len(peripheral),
    }


def first_firms(a: Alliance) -> dict[str, list[float]]:
    """Return what is kept of the first firm of each slot, NaN where there never was one."""
    names = ("exit_time", "entry_time", "centrality", "capability")
    found = {name: [math.nan] * a.slots for name in names}
    for f in reversed(a.firms):  # the first has the last word
        for name in names:
            found[name][f.slot] = getattr(f, name)
    return found


def state(a: Alliance, s: Totals) -> dict[str, Any]:
    """Return what is recorded at t_k: of the alliance, and of each slot (NaN: no member)."""
    trust = share(sum(f.trust for f in a.members), s.n)
    found: dict[str, Any] = {"membership": s.n / a.slots, "trust": trust, "synergy": s.sigma}
    for name in STATES:
        found[f"member_{name}"] = [
            getattr(f, name) if f is not None and f.active else math.nan for f in a.holders
        ]
    return found


def run(
    parameters: Mapping[str, float] | None = None,
    *,
    slots: int = SLOTS,
    industries: int = INDUSTRIES,
    seed: int,
    instance: int,
    horizon: float = HORIZON,
    dt: float = DT,
) -> dict[str, Any]:
    """Return every output of one alliance, and how it came about.

    `parameters` are those that differ from the defaults; seed and instance are the address of the
    random numbers, horizon and dt in months. Beside the outputs: `exit_time`, `entry_time`,
    `centrality` and `capability` of each slot's first firm; `X_path` (a value a step) and
    `member_X_path` (a list of slots a step), from 0 to the horizon; and `margin`, how near the run
    came to a decision that a rounding error could reverse (relative to 1 or to the threshold,
    where it is larger).
    """
    p = DEFAULTS | dict(parameters or {})
    assert p.keys() == DEFAULTS.keys(), "unknown parameter"
    a = Alliance(p, slots, industries, seed, instance, dt, holders=[None] * slots)
    for i in initial_members(p["initial_share"], slots):
        bear(a, i, 0)
    s = add_up(a)
    states = [state(a, s)]
    for k in range(n_steps(horizon, dt)):
        step(a, s, k)
        s = add_up(a)
        states.append(state(a, s))
    result: dict[str, Any] = outputs(a, s, horizon)
    assert tuple(result) == OUTPUTS
    paths = {f"{name}_path": [x[name] for x in states] for name in states[0]}
    return result | first_firms(a) | paths | {"margin": a.margin}
