#!/bin/bash
# A study as a SLURM array job: each task runs one shard, on a store that all nodes can write to.
# Copy this file, change the three lines that say so, and submit it from an environment that has
# fastalliance: sbatch my_study.sh (with -A ACCOUNT and -p PARTITION where your site wants them).
#
# Tasks need not run at once. One that runs out of time keeps its tiles and queues itself again; so
# does SLURM after the loss of a node. One that failed: scontrol requeue JOB_TASK, or the same
# sbatch again, which computes only what is missing. Whichever task ends last labels the result.
#
# Change: how many tasks, counted from 0, without gaps.
#SBATCH --array=0-7
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=2G
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@180
#SBATCH --requeue
#SBATCH --job-name=fastalliance
#SBATCH --output=%x-%A_%a.log
#SBATCH --open-mode=append
study=study.yaml  # change: the configuration
store=results/study.zarr  # change: where the result is kept

fastalliance run "$study" --store "$store" --threads "$SLURM_CPUS_PER_TASK" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" &
run=$!

time_is_up() {
  kill -TERM "$run" # it finishes its running tiles and leaves with 130
  wait "$run"
  code=$?
  [ "$code" -ne 130 ] || scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
  exit "$code"
}
trap time_is_up USR1
wait "$run"
