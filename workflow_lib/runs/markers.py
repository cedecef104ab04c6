"""The files by which jobs of a run tell each other what is done; they go when the run has ended."""

import shutil
from pathlib import Path

from ..calls.leases import Lease
from ..locks import locked
from .run import Run

ALL = "all"
"""The scope of what is made for the tables; others are stages, made for themselves."""


class Markers:
    """The markers of a run.

    Attributes:
        folder: where they are; no other run has the same.
    """

    def __init__(self, run: Run):
        self._run = run
        self._all = run.data.batches
        self.folder = self._all / run.run_id
        self._lease = Lease(self._all)
        self._kept = False

    def keep(self) -> None:
        """Let other runs see that this one lives, and leave its markers alone."""
        if not self._kept:
            self._kept = True
            with locked(self._lock):
                self._lease.publish({"run": self._run.run_id})

    def clean_up(self) -> None:
        """Remove the markers of this run, and of those that no longer live."""
        if not self._all.is_dir():
            return
        with locked(self._lock):
            self._lease.publish({})
            self._kept = False
            alive = {other.get("run") for other in self._lease.others()}
            for folder in self._all.iterdir():
                if folder.is_dir() and folder.name not in alive:
                    shutil.rmtree(folder, ignore_errors=True)

    @property
    def _lock(self) -> Path:
        return self._all / "lock"
