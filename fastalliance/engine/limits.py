"""Limits that the random numbers' addresses set."""

MAX_STEPS = 2**31 - 1
MAX_REPLICATES = (
    2**24
)  # replicates per point in instance numbers: instance = point * 2**24 + replicate
MAX_POINTS = 2**32
