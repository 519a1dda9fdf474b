"""Mutations of studies, statistics, stores and analysis."""

from __future__ import annotations

from verification.mutation import mutations_of

STATISTICS = "unit/test_statistics.py::"
BITS = "invariance/test_bits.py::test_bits__"
STORE = "unit/test_store.py::"
OPENING = "unit/test_store_opening.py::"
DAMAGE = "faults/test_store_damage.py::"
LEASES = "faults/test_store_leases.py::"
KILL = "faults/test_kill.py::"
CROSSING = "unit/test_crossing.py::"

STUDY = [
    *mutations_of(
        "study/tiles.py",
        (
            "blocks-overlap",
            "first_replicate = block * self.block",
            "first_replicate = block * (BLOCK - 1)",
            ("unit/test_tiles.py::test_tiles__cover",),
        ),
        (
            "points-in-another-order",
            "first = first * n + part.start",
            "first = first + part.start",
            ("unit/test_tiles.py::test_tiles__region", f"{BITS}tile_size"),
        ),
    ),
    *mutations_of(
        "study/tile_data.py",
        ("tiles-share-points", '": tile.first_point,', '": 0,', (f"{BITS}tile_size",)),
        (
            "blocks-share-replicates",
            '": tile.first_replicate,',
            '": 0,',
            ("unit/test_study_replay.py::test_replay__of_a_replicate_beyond",),
        ),
    ),
    *mutations_of(
        "study/statistics.py",
        (
            "odd-block-lost",
            "level = pairs + level[2 * len(pairs) :]",
            "level = pairs",
            (f"{STATISTICS}test_blocks__merge",),
        ),
    ),
    *mutations_of(
        "study/summaries.py",
        ("ddof-0", "second / (count - 1.0)", "second / count", (f"{STATISTICS}test_moments",)),
        ("stderr-by-n", "std / np.sqrt(count)", "std / count", (f"{STATISTICS}test_moments",)),
        (
            "merge-without-shift",
            "left[:, 2] + right[:, 2] + shift * shift *",
            "left[:, 2] + right[:, 2] + 0.0 * shift *",
            (f"{STATISTICS}test_blocks__merge",),
        ),
        (
            "merge-mean-by-the-other-weight",
            "shift * (right[:, 0] / count)",
            "shift * (left[:, 0] / count)",
            (f"{STATISTICS}test_blocks__merge",),
        ),
        ("wilson-z", "Z95 = 1.959963984540054", "Z95 = 1.6448536", (f"{STATISTICS}test_binary",)),
        (
            "quantile-position",
            "quantile * np.maximum(count - 1, 0)",
            "quantile * np.maximum(count, 0)",
            (f"{STATISTICS}test_quantiles__equal_numpy",),
        ),
        (
            "ratio-covariance-sign",
            "xx - 2.0 * ratio * xy",
            "xx + 2.0 * ratio * xy",
            (f"{STATISTICS}test_ratio__standard_error_by", f"{STATISTICS}test_ratio__standard_e"),
        ),
    ),
    *mutations_of(
        "study/resolved.py",
        (
            "hash-without-seed",
            '_NOT_RESULTS = ("store", "execution")',
            '_NOT_RESULTS = ("store", "execution", "seed")',
            ("unit/test_study.py::test_hash__differs", "cli/test_run.py::test_overwrite"),
        ),
    ),
    *mutations_of(
        "parameters.py",
        (
            "open-bound-closed",
            "inside = inside and number > self.above",
            "inside = inside and number >= self.above",
            ("unit/test_parameters.py::test_value",),
        ),
    ),
]

STORED = [
    *mutations_of(
        "store/run_store.py",
        (
            "ledger-before-data",
            "        return self.writer.write(tile, data, self",
            "        from fastalliance.store.layout import digest\n\n"
            "        self.record([(tile, digest(data))])\n"
            "        return self.writer.write(tile, data, self",
            (f"{KILL}test_kill__at_a_fault_point",),
        ),
        (
            "complete-before-published",
            "        finalising.publish(paths, aside, self.layout, check)\n"
            "        self._ledger.merge()\n"
            "        check()\n"
            "        self.attrs = finalising.complete(paths, self.attrs, check)\n",
            "        self.attrs = finalising.complete(paths, self.attrs, check)\n"
            "        finalising.publish(paths, aside, self.layout, check)\n"
            "        self._ledger.merge()\n"
            "        check()\n",
            (f"{KILL}test_kill__at_a_fault_point",),
        ),
    ),
    *mutations_of(
        "store/format.py",
        (
            "checksum-not-asked-for",
            "if not descriptor & 0b100:",
            "if False:",
            ("unit/test_store_format.py::test_chunk__of_another_size_or_without",),
        ),
        (
            "chunk-cut-short-accepted",
            "if size != info.chunk_bytes:",
            "if False:",
            ("unit/test_store_format.py::test_chunk__of_another_size_or_without",),
        ),
    ),
    *mutations_of(
        "store/checked.py",
        (
            "missing-chunk-reads-as-nan",
            "if name not in self._strides:",
            "if False:",
            (f"{DAMAGE}test_missing_chunk__after_opening",),
        ),
        (
            "unrecorded-chunk-shown",
            "return number * stride in self._done",
            "return True",
            ("unit/test_study_resume.py::test_unfinished",),
        ),
    ),
    *mutations_of(
        "store/chunks.py",
        (
            "unrecorded-tile-shown",
            "tiles = [tile for tile in range(first, last) if tile in done]",
            "tiles = list(range(first, last))",
            (f"{STORE}test_read_packed",),
        ),
    ),
    *mutations_of(
        "store/ledger.py",
        (
            "ledger-checksum-ignored",
            'intact = document["sha256"] == _checksum(document)',
            "intact = True",
            (f"{DAMAGE}test_flipped_bits__ledger",),
        ),
        (
            "two-values-accepted",
            "if recorded != computed:",
            "if False:",
            (f"{STORE}test_nondeterminism", "unit/test_store_ledger.py::test_rows__that_contra"),
        ),
    ),
    *mutations_of(
        "store/resuming.py",
        (
            "another-study-resumed",
            'if old["configuration_hash"] != new["configuration_hash"]:',
            "if False:",
            (f"{OPENING}test_resume__another_configuration", "cli/test_run.py::test_overwrite"),
        ),
        (
            "other-kernels-resumed",
            'if old["kernel_hash"] != new["kernel_hash"] and',
            "if False and",
            (f"{OPENING}test_resume__other_kernels_are_refused",),
        ),
    ),
    *mutations_of(
        "store/lease.py",
        (
            "lost-lease-unnoticed",
            "    if is_held(directory, generation, run_id, name):\n        return\n",
            "    return\n",
            (f"{LEASES}test_lease__taken_over_stops_the_first_run",),
        ),
        (
            "living-owner-taken-over",
            "return owner.state is process.State.DEAD\n",
            "return True\n",
            (f"{LEASES}test_lease__a_second_run_in_this_process", f"{KILL}test_second_run"),
        ),
    ),
]

ANALYSIS = mutations_of(
    "analysis/crossing.py",
    (
        "interpolation-sign",
        "(LEVEL - p[i]) / (p[j] - p[i])",
        "(p[i] - LEVEL) / (p[j] - p[i])",
        (f"{CROSSING}test_threshold__linear", f"{CROSSING}test_threshold__within_one"),
    ),
    (
        "one-half-counts-below",
        "above = p[present] >= LEVEL",
        "above = p[present] > LEVEL",
        (f"{CROSSING}test_threshold__exactly_one_half",),
    ),
    (
        "interval-ends-swapped",
        "if rising else (_roots(x, low)",
        "if not rising else (_roots(x, low)",
        (f"{CROSSING}test_interval__crossings_of_both_ends",),
    ),
)

MUTATIONS = [*STUDY, *STORED, *ANALYSIS]
