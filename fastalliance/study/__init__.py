"""Studies: designs, tiles, statistics, runs and their results."""
