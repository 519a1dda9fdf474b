"""The lane loop of a driver really is SIMD: its assembly is packed double arithmetic."""

import dataclasses
import platform
import re

import numba
import numpy as np
import pytest

import fastalliance as fa
from fastalliance.engine.compile import LANES, Literals, driver
from fastalliance.library.exit_cascade_formulas import Birth, Decision
from tests.own_models import ORNSTEIN_UHLENBECK

X86 = platform.machine().lower() in ("x86_64", "amd64")
PACKED = re.compile(r"\bv(?:fn?m(?:add|sub)\d+|mul|add|sub|div|sqrt)pd\b.*%[yz]mm")
SCALAR = re.compile(r"\bv(?:fn?m(?:add|sub)\d+|mul|add|sub|div|sqrt)sd\b")


def _has_avx2() -> bool:
    import llvmlite.binding as llvm

    return X86 and bool(llvm.get_host_cpu_features().get("avx2"))


pytestmark = pytest.mark.skipif(not _has_avx2(), reason="needs x86-64 with AVX2")


def _counts(model: fa.Model, literals: Literals | None = None) -> tuple[int, int]:
    (assembly,) = driver(model, literals).inspect_asm().values()
    lines = assembly.splitlines()
    return sum(bool(PACKED.search(x)) for x in lines), sum(bool(SCALAR.search(x)) for x in lines)


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTALLIANCE_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize("model", [fa.model("dyad"), ORNSTEIN_UHLENBECK], ids=lambda m: m.name)
def test_driver__lane_loop_is_packed(model, fresh_cache):
    packed, scalar = _counts(dataclasses.replace(model))
    # Scalar code is what runs once per lane (prepare, init) and the formulas' own copies; a lane
    # loop that is not vectorised has next to no packed arithmetic.
    assert packed > 40
    assert packed > 0.5 * scalar


def test_driver__this_test_can_fail(fresh_cache):
    """A step with a data-dependent loop cannot be vectorised, and the count shows it."""

    def step(s, p, stream, k, t, dt):
        x = s.x
        while x > 0.1:
            x *= 0.5
        return type_state(x)

    type_state = ORNSTEIN_UHLENBECK.state
    packed, _ = _counts(dataclasses.replace(ORNSTEIN_UHLENBECK, name="scalar", step=step))
    assert packed <= 10


def test_population_driver__lane_loops_are_packed(fresh_cache):
    """The sweeps over members: birth, entry and decision are SIMD over eight instances."""
    packed, scalar = _counts(dataclasses.replace(fa.model("exit_cascade")))
    assert packed > 0.6 * scalar


@pytest.mark.parametrize("given", [[], ["network"]], ids=["large", "network"])
def test_population_driver__members_of_a_single_instance_are_packed(given, fresh_cache):
    """219 and 294; 6 where an instance's members are visited one by one."""
    literals = ((LANES, "1"), *((f"given_{name}", "1.0") for name in given))
    packed, _ = _counts(dataclasses.replace(fa.model("exit_cascade")), literals)
    assert packed > 150


def test_pairs_of_members__their_draws_are_packed(fresh_cache):
    """1,149 against 290; were the loop over draws of eight turns, 1,106 against 592."""
    packed, scalar = _counts(dataclasses.replace(fa.model("multiparty")))
    assert packed > 3.0 * scalar


@pytest.mark.parametrize("stage", [("start", 0), ("step", 0)], ids=["birth", "decision"])
def test_population_driver__this_test_can_fail(stage, fresh_cache):
    """A sweep with a data-dependent loop cannot be vectorised, and the count shows it."""
    model = fa.model("exit_cascade")
    part, index = stage
    stages = list(getattr(model.population, part))
    formula, returned = stages[index].member, {"birth": Birth, "decision": Decision}

    def member(m, g, s, p, stream, at):
        changed = formula(m, g, s, p, stream, at)
        x = m.clock
        while x > 0.1:
            x *= 0.5
        return kind(*changed[:-1], changed[-1] + 0.0 * x)

    kind = returned[stages[index].name]
    stages[index] = dataclasses.replace(stages[index], member=member)
    population = dataclasses.replace(model.population, **{part: tuple(stages)})
    broken = dataclasses.replace(model, name="scalar_sweep", population=population)
    packed, _ = _counts(broken)
    whole, _ = _counts(dataclasses.replace(model))
    assert packed < whole - 20


def test_numba__has_no_fastmath_default():
    assert not numba.njit(lambda x: x).targetoptions.get("fastmath")
    assert np.finfo(np.float64).bits == 64
