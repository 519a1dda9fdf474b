"""Numbers drawn from results: Dataset in, Dataset or plain numbers out."""

from fastalliance.analysis.choices import names_of_codes
from fastalliance.analysis.crossing import FLAGS, Crossing, crossing_along, tipping_crossing

__all__ = ["FLAGS", "Crossing", "crossing_along", "names_of_codes", "tipping_crossing"]
