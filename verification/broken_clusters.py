"""Mutations of executors, of leases and what is flushed, of shards, of verification and repair."""

from __future__ import annotations

from verification.mutation import mutations_of

DASK = "faults/test_dask.py::"
OPEN = "faults/test_dask_security.py::"
POISON = "faults/test_poison.py::"
LEASES = "faults/test_store_leases.py::"
POWER = "faults/test_power_cuts.py::test_power_cut"
SHARDS = "unit/test_store_shards.py::"
EXCLUSION = "unit/test_store_shards_exclusion.py::"
DAMAGE = "faults/test_verify_damage.py::"
VERIFY = "unit/test_verify.py::"

EXECUTORS = [
    *mutations_of(
        "executors/dask.py",
        (
            "result-lost-with-its-worker-is-forgotten",
            '        if future.status in ("cancelled", "lost"):\n'
            "            # with its worker, before it was fetched, or with the connection to the "
            "scheduler\n"
            "            self.again.append(tile)\n",
            '        if future.status in ("cancelled", "lost"):\n',
            (f"{DASK}test_worker_lost__with_results",),
        ),
        (
            "tile-that-raises-is-not-tried-again",
            "retries=RETRIES",
            "retries=0",
            ("faults/test_dask_retries.py::test_tile__that_raises_once",),
        ),
        (
            "suspects-are-not-run-alone",
            "suspects, self.suspects = self.suspects, []",
            "suspects, self.suspects = [], []",
            (f"{POISON}test_crash__on_dask",),
        ),
        (
            "stopped-run-submits-on",
            "return stop.is_set() or self.failures.too_many or",
            "return self.failures.too_many or",
            (f"{DASK}test_stop__starts",),
        ),
    ),
    *mutations_of(
        "executors/connecting.py",
        (
            "local-cluster-is-open-to-all",
            'host="127.0.0.1",',
            'host="0.0.0.0",',
            (f"{OPEN}test_local_cluster__listens",),
        ),
        (
            "ctrl-c-ends-workers",
            '                preload=["fastalliance.executors.dask_preload"],\n',
            "",
            (f"{OPEN}test_local_cluster__interrupted",),
        ),
        (
            "insecure-is-not-heeded",
            "        if not insecure:\n            _warn_of_open",
            "        if True:\n            _warn_of_open",
            (f"{OPEN}test_secrets",),
        ),
        (
            "scheduler-with-tls-counts-as-open",
            'parts.scheme in ("tls", "inproc") or',
            'parts.scheme == "inproc" or',
            (f"{OPEN}test_tls__with_certificates", f"{OPEN}test_open_scheduler"),
        ),
    ),
    *mutations_of(
        "executors/threads.py",
        (
            "failed-tile-is-not-tried-alone",
            "yield from runs.results(runs.failures.again(), 1)",
            "yield from runs.results([], 1)",
            (f"{POISON}test_threads__a_failure", f"{POISON}test_failure__on_threads"),
        ),
        (
            "full-disk-is-a-failed-tile",
            "isinstance(error, Exception) and not isinstance(error, StoreError)",
            "isinstance(error, Exception)",
            (f"{POISON}test_threads__a_refusing_store",),
        ),
        (
            "silent-threads",
            "        with runs.silence.watched():\n",
            "        if True:\n",
            ("faults/test_silence.py::test_threads", "faults/test_silence.py::test_study"),
        ),
    ),
    *mutations_of(
        "study/executing.py",
        (
            "workers-with-other-kernels-compute",
            "if found != self.kernels:",
            "if False:",
            (f"{DASK}test_study__refuses_workers",),
        ),
    ),
    *mutations_of(
        "study/travelling.py",
        (
            "kernels-travel-by-value",
            "return (_found, name) if name else super()",
            "return super()",
            (f"{DASK}test_own_model__of_a_file", f"{DASK}test_own_model__of_a_notebook"),
        ),
    ),
]

SHARED = [
    *mutations_of(
        "store/shards.py",
        (
            "shards-overlap",
            "np.flatnonzero((tiles + first) % self.count == self.index)",
            "np.flatnonzero((tiles + first) % self.count <= self.index)",
            (f"{SHARDS}test_tiles__each_belongs",),
        ),
        (
            "one-shard-gets-a-value-of-an-axis",
            "first = _mixed(tiles // self.count) % self.count",
            "first = 0",
            (f"{SHARDS}test_tiles__no_shard_gets",),
        ),
    ),
    *mutations_of(
        "store/claims.py",
        (
            "shards-of-two-counts-at-once",
            "n == RUN or (s is not None and s.count != shard.count)",
            "n == RUN",
            (f"{EXCLUSION}test_shards__of_another_count",),
        ),
        (
            "whole-run-beside-shards",
            "return [name for name in names if name != RUN]",
            "return []",
            (f"{EXCLUSION}test_shards__exclude_whole_runs",),
        ),
        (
            "claim-without-a-second-look",
            "if not _in_the_way(paths, shard):",
            "if True:",
            (f"{EXCLUSION}test_claims__of_a_whole_run",),
        ),
        (
            "stopped-shard-is-passed-over",
            "                lease.revoke(paths.lease, paths.scratch, owner, name)\n",
            "",
            (f"{EXCLUSION}test_stopped_shard",),
        ),
        (
            "final-lease-outlives-its-run",
            "if owner is not None and owner.run_id in run_ids:",
            "if False:",
            (f"{EXCLUSION}test_break_lock__takes_what",),
        ),
    ),
]

HELD = [
    *mutations_of(
        "store/run_store.py",
        (
            "finalising-after-a-lost-lease",
            "            claimed.check()\n            final.check()\n",
            "            pass\n",
            (f"{LEASES}test_lease__taken_over_while_the_first_run_finalises",),
        ),
    ),
    *mutations_of(
        "store/lease.py",
        (
            "stale-before-the-next-refresh",
            "STALE_AFTER = 60.0",
            "STALE_AFTER = 5.0",
            (f"{LEASES}test_lease__of_another_host_outlives",),
        ),
        (
            "lease-taken-long-after-the-look",
            "    if others != [generation]:\n",
            "    if False:\n",
            (f"{LEASES}test_lease__that_comes_too_late",),
        ),
    ),
    *mutations_of(
        "store/files.py",
        (
            "lease-on-objects-is-not-refreshed",
            "        objects.touch(path)\n",
            "        pass\n",
            ("faults/test_s3_refresh.py::test_lease__that_is_refreshed",),
        ),
        (
            "content-is-not-flushed",
            "            os.fsync(file.fileno())\n",
            "            pass\n",
            (POWER,),
        ),
        (
            "names-are-not-flushed",
            '    if isinstance(path, Path) and os.name != "nt":\n        _flush(path)\n',
            "    return\n",
            (POWER,),
        ),
    ),
    *mutations_of(
        "store/checked.py",
        (
            "kept-replicates-of-unrecorded-tiles",
            "        if stride is None:\n",
            "        if True:\n",
            ("faults/test_reader.py::test_reader__sees_kept",),
        ),
    ),
]

PROOF = [
    *mutations_of(
        "store/verification.py",
        (
            "digests-of-tiles-are-not-compared",
            "if not damage and digest(TileData({}, _direct(found))) != self.rows[tile]:",
            "if False:",
            (f"{DAMAGE}test_wrong_values__of_an_unfinished_store",),
        ),
        (
            "missing-rows-of-a-complete-store",
            "if complete and lacking and not damage:",
            "if False:",
            (f"{DAMAGE}test_damaged_ledger__of_a_complete",),
        ),
    ),
    *mutations_of(
        "store/verification_repair.py",
        (
            "repair-after-a-lost-lease",
            "                whole_chunks=True,\n                check=self._lease.check,\n",
            "                whole_chunks=True,\n",
            ("faults/test_verify_processes.py::test_repair__that_lost",),
        ),
    ),
    *mutations_of(
        "study/verifying_tiles.py",
        (
            "contradicting-tile-is-trusted",
            "trusted=sha == listed or (listed is None and self.proved)",
            "trusted=True",
            (f"{DAMAGE}test_contradicting_ledger__makes_no_data",),
        ),
        (
            "signs-of-zero-and-bits-of-nan",
            "        differ &= ~(np.isnan(left) & np.isnan(right))\n",
            "        pass\n",
            (f"{VERIFY}test_bits__every_nan",),
        ),
    ),
    *mutations_of(
        "study/verifying_points.py",
        (
            "half-a-slab-is-repaired",
            "if self._repair is not None and slab.whole and slab.trusted:",
            "if self._repair is not None and slab.trusted:",
            (f"{DAMAGE}test_damage__that_appears",),
        ),
        (
            "labelled-values-are-not-compared",
            "result.n_different += n_different\n                if n_different:",
            "result.n_different += 0\n                if False:",
            (f"{DAMAGE}test_wrong_values__of_labelled",),
        ),
    ),
    *mutations_of(
        "study/verifying_choice.py",
        (
            "sample-ignores-its-seed",
            "draw = random.Random(seed)",
            "draw = random.Random(0)",
            (f"{VERIFY}test_sample__draws",),
        ),
    ),
]

MUTATIONS = [*EXECUTORS, *HELD, *SHARED, *PROOF]
