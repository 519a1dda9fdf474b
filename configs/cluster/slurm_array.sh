#!/bin/bash
# A study as a SLURM array job: each task runs one shard, on a store that all nodes can write to.
#
#   sbatch --array=0-7 configs/cluster/slurm_array.sh study.yaml results/study.zarr
#
# Tasks need not run at once, and a task that was killed is simply put back into the queue:
# `scontrol requeue`, or the same sbatch again. Whichever task ends last labels the result.
#SBATCH --job-name=fastalliance
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=2G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -eu
exec fastalliance run "$1" --store "$2" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --threads "${SLURM_CPUS_PER_TASK:-auto}"
