"""Limits that the addresses of random numbers set: one of each seed, instance and step."""

MAX_SEED = 2**64 - 1
MAX_STEPS = 2**31 - 1
MAX_REPLICATES = 2**24  # of a point: instance = point * 2**24 + replicate
MAX_POINTS = 2**32
