"""`fastalliance bench`: the dyad's kernel against vectorised NumPy and the idiomatic numba loop."""
