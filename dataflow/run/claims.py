"""Runs by their claims on the catalogue's server: all machines see them, and a machine that is lost ends its own."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dataflow.run.folders import RunFolder, UnendedRun, list_runs, started_at_of, take_crashed
from dataflow.workspace.run_row import CrashedRun
from lakehouse import LakeLocation, PostgresCatalogue
from lakehouse.claims import Claim, HeldClaim, claiming, drop_claims, read_claims


@dataclass(frozen=True)
class ClaimedRun:
    """A run that has claimed its id on the server. `folder` is that of the run where it is on this machine."""

    catalogue: PostgresCatalogue
    claim: Claim
    kind: str
    started_at: datetime
    folder: Path

    @property
    def run_id(self) -> str:
        return self.claim.name

    @property
    def is_running(self) -> bool:
        return self.claim.is_held

    @property
    def running_message(self) -> str:
        """Say that the process is running."""
        return f"{self.claim.owner} is running"

    def crashed(self) -> CrashedRun:
        """Return the run as a crashed one."""
        return CrashedRun(self.run_id, self.kind, self.started_at, self.claim.seen_at, self.claim.owner)

    def forget(self) -> None:
        """Remove the claim of a crashed run that is recorded now, and the folder that it left."""
        drop_claims(self.catalogue, [self.run_id])
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def claim_run(location: LakeLocation, run_id: str) -> Iterator[HeldClaim | None]:
    """Claim a run's id where the catalogue is on a server. Raises: LakeUnreachable."""
    if not isinstance(location.catalogue, PostgresCatalogue):
        yield None
        return
    owner = f"its process ({os.getpid()} on {socket.gethostname()})"
    with claiming(location.catalogue, run_id, owner=owner) as held:
        yield held


def list_unended(location: LakeLocation, runs: Path) -> list[UnendedRun]:
    """List the runs that have not ended, running or crashed, oldest first. Raises: LakeUnreachable."""
    claimed = _claimed(location, runs)
    return _in_order(claimed, list_runs(runs))


def take_unended(location: LakeLocation, runs: Path) -> list[UnendedRun]:
    """List the crashed runs and delete the files that they left on this machine. Raises: LakeUnreachable."""
    claimed = _claimed(location, runs)
    held = {run.run_id for run in claimed if run.is_running}
    crashed = [run for run in claimed if not run.is_running]
    return _in_order(crashed, [folder for folder in take_crashed(runs) if folder.run_id not in held])


def _in_order(claimed: Sequence[ClaimedRun], folders: Sequence[RunFolder]) -> list[UnendedRun]:
    """Return both in order; of a run known by both, its claim, which is exact."""
    named = {run.run_id for run in claimed}
    found: list[UnendedRun] = [*claimed, *(folder for folder in folders if folder.run_id not in named)]
    return sorted(found, key=lambda run: run.run_id)


def _claimed(location: LakeLocation, runs: Path) -> list[ClaimedRun]:
    catalogue = location.catalogue
    if not isinstance(catalogue, PostgresCatalogue):
        return []
    found = [(claim, started_at_of(claim.name)) for claim in read_claims(catalogue)]
    return [ClaimedRun(catalogue, claim, *named, runs / claim.name) for claim, named in found if named is not None]
