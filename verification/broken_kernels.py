"""Mutations of random numbers, mathematics, the dyad's formulas and the engine."""

from __future__ import annotations

from verification.mutation import mutations_of

TWIN = "oracle/test_dyad_twin.py::"
EXACT = "exact/test_dyad_exact.py::"
PHILOX = "unit/test_philox.py::"
BITS = "invariance/test_bits.py::test_bits__"

KERNELS = [
    *mutations_of(
        "kernels/philox.py",
        ("philox-key", "_key(k0, k1, 9)", "_key(k0, k1, 8)", (f"{PHILOX}test_philox4x32__known",)),
        ("uniform-zero", "(1.0 - 2.0**-53)", "1.0", (f"{PHILOX}test_uniforms__compiled_extremes",)),
        (
            "purpose-ignored",
            "(word(purpose) << 24)",
            "(word(purpose) & 0)",
            (f"{PHILOX}test_draws__every_part", f"{EXACT}test_noise__is_independent"),
        ),
        (
            "one-normal-twice",
            "return radius * cosine, radius * sine",
            "return radius * cosine, radius * cosine",
            (f"{PHILOX}test_normals__are_box", "exact/test_generator.py::test_normals__moments"),
        ),
    ),
    *mutations_of(
        "kernels/vecmath.py",
        (
            "exp-without-tail",
            "r = fma(-k, _LN2_TAIL, fma(-k, _LN2, x))\n    p",
            "r = fma(-k, _LN2, x)\n    p",
            ("unit/test_vecmath.py::test_accuracy",),
        ),
        (
            "clip-hides-nan",
            "return 0.0 if x < 0.0 else 1.0 if x > 1.0 else x",
            "return x if 0.0 <= x <= 1.0 else 1.0 if x > 1.0 else 0.0",
            ("unit/test_vecmath.py::test_special_values",),
        ),
    ),
]

TRUST = mutations_of(
    "library/trust_formulas.py",
    (
        "gain-and-loss-swapped",
        "p.gain_step if gap > 0.0 else p.loss_step",
        "p.loss_step if gap > 0.0 else p.gain_step",
        (f"{TWIN}test_defaults", "exact/test_dyad_facts.py::test_f1_f2_f3"),
    ),
)

DYAD = mutations_of(
    "library/dyad_formulas.py",
    (
        "dt-for-sqrt-dt",
        "p.trust_noise * math.sqrt(dt)",
        "p.trust_noise * dt",
        (f"{EXACT}test_noise__one_step", f"{TWIN}test_defaults__every_replicate"),
    ),
    ("harm-sign", "contribution_b - harm_a", "contribution_b + harm_a", (f"{TWIN}test_random",)),
    (
        "partners-swapped-in-taking",
        "appropriated(private_a, s.engagement_a, s.openness_b)",
        "appropriated(private_a, s.engagement_a, s.openness_a)",
        (f"{TWIN}test_random_parameters__over", f"{EXACT}test_x2_swapped_partners__swap"),
    ),
    (
        "partners-swapped-in-evidence",
        "gap_b = contribution_a",
        "gap_b = contribution_b",
        (f"{TWIN}test_random_parameters__over", f"{EXACT}test_x2_swapped_partners__swap"),
    ),
    (
        "purpose-reused",
        "TRUST_NOISE, INCIDENTS = 0, 1",
        "TRUST_NOISE, INCIDENTS = 0, 0",
        (f"{EXACT}test_noise__is_independent_of_incidents",),
    ),
    (
        "noise-of-one-step-reused",
        "uniforms(stream, TRUST_NOISE, k, 0)",
        "uniforms(stream, TRUST_NOISE, 0, 0)",
        (f"{EXACT}test_noise__steps_are_independent",),
    ),
    (
        "noise-correlation-lost",
        "fma(p.noise_common, z0, p.noise_own * z1)",
        "z1",
        (f"{EXACT}test_noise__one_step",),
    ),
    (
        "dissolution-a-step-late",
        "idle_steps >= p.patience_steps",
        "idle_steps > p.patience_steps",
        (f"{TWIN}test_dissolution__patience",),
    ),
    (
        "dissolution-time-of-step-s-start",
        "dissolved_step = k + 1.0",
        "dissolved_step = k + 0.0",
        (f"{TWIN}test_dissolution__patience",),
    ),
    (
        "idle-at-the-threshold",
        "interaction < p.dissolution_engagement",
        "interaction <= p.dissolution_engagement",
        (f"{TWIN}test_edges",),
    ),
    (
        "success-at-one-half",
        "(s.trust_a + s.trust_b) > 0.5",
        "(s.trust_a + s.trust_b) >= 0.5",
        (f"{TWIN}test_success",),
    ),
    (
        "dissolved-goes-on",
        "trust_a=trust_a if alive else s.trust_a",
        "trust_a=trust_a",
        (f"{TWIN}test_dissolution__of_most",),
    ),
    (
        "building-a-step-longer",
        "t < p.building_duration",
        "t <= p.building_duration",
        (f"{TWIN}test_building__duration",),
    ),
    (
        "incidents-linear-in-dt",
        "1.0 - exp(-p.incident_rate * dt)",
        "p.incident_rate * dt",
        (f"{EXACT}test_x4_incidents_alone__trust",),
    ),
)

ENGINE = [
    *mutations_of(
        "engine/render.py",
        (
            "point-number-lost",
            "((first_point + point) << 24)",
            "(point << 24)",
            (f"{TWIN}test_addresses__points", f"{BITS}tile_size"),
        ),
        (
            "replicate-offset-lost",
            "replicate = first_replicate + instance % n_replicates",
            "replicate = instance % n_replicates",
            (f"{TWIN}test_addresses", "unit/test_study_replay.py::test_replay__of_a_replicate"),
        ),
        (
            "common-numbers-ignored",
            "number = replicate if common else replicate +",
            "number = replicate +",
            (f"{BITS}common_random_numbers", f"{TWIN}test_addresses__points"),
        ),
        ("time-a-step-ahead", "t = k * dt", "t = (k + 1) * dt", (f"{TWIN}test_building__dur",)),
        (
            "check-of-each-step-dropped",
            '"" if fields.keeps_nonfinite else check',
            '""',
            ("unit/test_nonfinite.py::test_promise__is_not_needed",),
        ),
        (
            "check-at-the-end-dropped",
            "+ (total - total) != 0.0 or {infinite}",
            "!= 0.0",
            ("unit/test_nonfinite.py::test_end",),
        ),
        (
            "infinite-output-accepted",
            " or {infinite}",
            "",
            ("unit/test_study_results.py::TestInvalid",),
        ),
        (
            "block-stops-with-its-first",
            "if n_finished == {lanes}:",
            "if n_finished > 0:",
            (f"{BITS}early_stop", f"{TWIN}test_dissolution__of_most"),
        ),
        (
            "recorded-a-step-early",
            "record_steps > 0 and (k + 1) % record_steps == 0",
            "record_steps > 0 and k % record_steps == 0",
            (f"{TWIN}test_paths",),
        ),
    ),
    *mutations_of(
        "engine/formulas.py",
        (
            "closure-not-in-the-digest",
            "yield from _value_parts(cell.cell_contents, code, seen)",
            "yield 'a cell'",
            ("faults/test_kernel_changes.py::test_change",),
        ),
        (
            "globals-not-in-the-digest",
            "yield from _value_parts(function.__globals__[name], code, seen)",
            "yield 'a global'",
            ("faults/test_kernel_changes.py::test_change",),
        ),
    ),
]

MUTATIONS = [*KERNELS, *TRUST, *DYAD, *ENGINE]
