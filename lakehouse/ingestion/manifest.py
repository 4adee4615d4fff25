"""The manifest of a source: the batches whose business dates have not been reported yet.

Belongs here: the small file that survives a crash, and its form. What is in it and when it goes is ``ingestion``'s
matter.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lakehouse.storage.files import delete, read_text, write_text

_DATES, _TIMES = ("landing_date",), ("ingested_at",)


@dataclass(frozen=True)
class BatchManifest:
    """One batch: its number, its files as in ``system.landing_files``, and the business dates it touches."""

    number: int
    files: Sequence[Mapping[str, Any]]
    business_dates: Sequence[dt.date]


@dataclass(frozen=True)
class Refill:
    """Columns that have been declared, whose rescued values are to be moved into them.

    Attributes:
        columns: their names.
        business_dates: days to report whatever is found there: those whose rows had such values when it began.
        landing_date: of one of the files; a run of its day completes the work.
    """

    columns: Sequence[str]
    business_dates: Sequence[dt.date]
    landing_date: dt.date


@dataclass(frozen=True)
class Manifest:
    """The unreported batches of a source, the run that wrote the last of them, and what else is to be done.

    Attributes:
        refill: columns whose rescued values are to be moved, before the run takes in files.
    """

    run_id: str
    batches: Sequence[BatchManifest]
    refill: Refill | None = None

    @property
    def landing_dates(self) -> list[dt.date]:
        """The landing dates of the files, in order."""
        files = (file for batch in self.batches for file in batch.files)
        dates = {file["landing_date"] for file in files if file["outcome"] != "refilled"}
        return sorted(dates | ({self.refill.landing_date} if self.refill else set()))


class ManifestFile:
    """Where the manifest of a source is kept, below the lake's root."""

    def __init__(self, root: str, source: str) -> None:
        """Name the place; nothing is read yet."""
        self._location = f"{root}/system/manifests/{source}.json"

    def read(self) -> Manifest | None:
        """Return the manifest, or None where every date has been reported."""
        text = read_text(self._location)
        if text is None:
            return None
        found = json.loads(text)
        return Manifest(found["run_id"], [_batch(batch) for batch in found["batches"]], _refill(found.get("refill")))

    def write(self, run_id: str, batches: Iterable[BatchManifest], refill: Refill | None = None) -> None:
        """Replace the manifest."""
        found = {
            "run_id": run_id,
            "batches": [
                {"number": batch.number, "files": list(batch.files), "business_dates": list(batch.business_dates)}
                for batch in batches
            ],
            "refill": refill and asdict(refill),
        }
        write_text(self._location, json.dumps(found, default=str, indent=1))

    def remove(self) -> None:
        """Forget the manifest."""
        delete(self._location)


def _refill(found: Mapping[str, Any] | None) -> Refill | None:
    if found is None:
        return None
    days = [dt.date.fromisoformat(day) for day in found["business_dates"]]
    return Refill(found["columns"], days, dt.date.fromisoformat(found["landing_date"]))


def _batch(found: Mapping[str, Any]) -> BatchManifest:
    days = [dt.date.fromisoformat(day) for day in found["business_dates"]]
    return BatchManifest(int(found["number"]), [_file(file) for file in found["files"]], days)


def _file(found: Mapping[str, Any]) -> dict[str, Any]:
    file = dict(found)
    file |= {name: dt.date.fromisoformat(file[name]) for name in _DATES}
    file |= {name: dt.datetime.fromisoformat(file[name]) for name in _TIMES}
    file["business_dates"] = [dt.date.fromisoformat(day) for day in file["business_dates"]]
    return file
