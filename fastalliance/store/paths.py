"""Where things lie in a store."""

from __future__ import annotations

from dataclasses import dataclass

from fastalliance.store.objects import Place

FINAL_PREFIX = "final-"
DOCUMENT = "zarr.json"


@dataclass(frozen=True)
class Paths:
    """The places in one store.

    Everything that is not part of the dataset lies in the subgroup ``_run``. Its directories of
    plain files are declared as empty zarr arrays: zarr lists what is in a group and warns of files
    that it does not know, but it does not look into arrays.
    """

    root: Place

    @property
    def run(self) -> Place:
        """The subgroup of the run."""
        return self.root / "_run"

    @property
    def ledger(self) -> Place:
        """Files of rows, see `ledger`."""
        return self.run / "ledger"

    @property
    def lease(self) -> Place:
        """Files of leases, see `lease`."""
        return self.run / "lease"

    @property
    def scratch(self) -> Place:
        """Files and arrays that have not got their names yet."""
        return self.run / "scratch"

    def final(self, run_id: str) -> Place:
        """Return where a run keeps final arrays while they are written.

        No other run writes there, not even one that took over from one that was only stopped.
        """
        return self.scratch / f"{FINAL_PREFIX}{run_id}"

    def packed(self, name: str) -> Place:
        """Return the directory of a packed array."""
        return self.run / name

    def array(self, name: str) -> Place:
        """Return the directory of a labelled array."""
        return self.root / name


def document(directory: Place) -> Place:
    """Return the metadata document of a group or an array."""
    return directory / DOCUMENT
