"""The registry of landing files: every file version that was ever taken, and what became of it.

Belongs here: writing ``system.landing_files``, and questions to it. When a file is registered is for ``batches``; the
table's layout belongs in ``delta.system_tables``.

The outcomes of a file version in a batch:

- ``ingested``: its records are rows of bronze with that batch's number;
- ``refused``: its one row says why it was refused whole;
- ``copy``: no rows; ``copy_of`` has the same bytes;
- ``unchanged``: no rows; it was written again with the bytes it had, and has another etag;
- ``refilled``: ``records`` rows of an ingested version stand in bronze again, with values that were rescued before
  their column was declared.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.delta.model import Token
from lakehouse.delta.predicates import Predicate
from lakehouse.delta.system_tables import FILES

if TYPE_CHECKING:
    from lakehouse.engines.base import Engine
    from lakehouse.ingestion.staging import StagedFile
    from lakehouse.landing.zone import LandingObject

WITHOUT_ROWS = ("copy", "unchanged")
"""Outcomes of file versions that bring no rows."""


def register(engine: Engine, source: str, number: int, files: Sequence[Mapping[str, Any]]) -> None:
    """Add the files of a batch, once."""
    table = pa.Table.from_pylist([dict(row) for row in files], schema=FILES.schema)
    engine.append(FILES, table, token=Token(source, number))


def known_files(engine: Engine, source: str, landing_dates: Collection[dt.date]) -> KnownFiles:
    """Return what is registered for some landing dates of a source."""
    known = KnownFiles()
    if landing_dates and engine.version(FILES.name) is not None:
        where = Predicate("landing_date", tuple(landing_dates), equals=(("data_source", source),))
        rows = engine.collect(engine.read(FILES.name, where)).to_pylist()
        for row in sorted(rows, key=lambda row: row["batch_id"]):
            known.add(row)
    return known


@dataclass
class KnownFiles:
    """What is registered for some landing dates: newest version and dates of each key, first key of each version."""

    newest: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    dates: dict[str, set[dt.date]] = field(default_factory=lambda: defaultdict(set))
    readable: dict[str, str] = field(default_factory=dict)
    versions: dict[tuple[dt.date, str], str] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a file version into account; later ones come later."""
        key = row["source_file"]
        if row["outcome"] == "refilled":  # further rows of a version that is known
            return
        if row["outcome"] == "unchanged":
            self.newest[key] = {**self.newest.get(key, row), "etag": row["etag"]}
            return
        self.newest[key] = row
        if row["outcome"] == "ingested":  # a readable version replaces the older ones, a refusal stands beside them
            self.dates[key] = set()
            self.readable[key] = row["source_version"]
        self.dates[key] |= set(row["business_dates"])
        if row["outcome"] == "ingested":
            self.versions[row["landing_date"], row["source_version"]] = key

    def first_with(self, staged: StagedFile) -> str | None:
        """Return the file that first brought the same bytes for the same landing date, and still counts with them."""
        key = self.versions.get((staged.landing_date, staged.version))
        return key if key is not None and self.readable[key] == staged.version else None

    def needs_reading(self, found: LandingObject) -> bool:
        """Whether a listed file is to be read: it is new, was written again, or is a copy of what no longer counts."""
        newest = self.newest.get(found.key)
        return newest is None or newest["etag"] != found.etag or self.lost_its_original(newest)

    def lost_its_original(self, newest: Mapping[str, Any]) -> bool:
        """Whether a file was left out as a copy of one that has other bytes by now."""
        return bool(newest["outcome"] == "copy" and self.readable.get(newest["copy_of"]) != newest["source_version"])
