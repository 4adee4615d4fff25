"""The bronze partitions that landing files change: the dates of their rows, and of the versions they supersede.

Belongs here: reading files for their dates alone, and files that have not landed yet. Which files wait is for
``catalog``; taking them in, for ``ingestion``.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse import clock
from lakehouse.catalog.landing_state import why_unroutable
from lakehouse.delta.system_tables import FILES
from lakehouse.errors import RequestError
from lakehouse.ingestion.batches import row_calendar
from lakehouse.ingestion.staging import FoundFile, Stage
from lakehouse.landing.zone import CONTROL_SUFFIX, open_landing, route
from lakehouse.storage.files import is_local

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakehouse.catalog.reader import Catalog
    from lakehouse.landing.zone import Landing
    from lakehouse.settings import Settings
    from lakehouse.tables.declarations import BronzeTable


@dataclass(frozen=True)
class NewFile:
    """A file to take in: its key in the landing zone, and where it is if it does not lie there yet."""

    key: str
    path: Path | None = None


def new_file(settings: Settings, sources: Sequence[str], given: str, key: str | None) -> NewFile:
    """Return the file that is meant: a key of the landing zone, a path into it, or a path and the key it will have.

    Raises:
        RequestError: there is no such file, or no source takes it under this key.
    """
    path, has_landed = Path(given).expanduser(), key is None
    if key is None:
        key = given
        if is_local(settings.landing) and path.resolve().is_relative_to(settings.landing):
            key = path.resolve().relative_to(settings.landing).as_posix()
        if Path(key).is_absolute() or open_landing(settings.landing).etag(key) is None:
            raise RequestError(
                f"{given}: there is no such file in the landing zone {settings.landing}",
                hint="say under which key it is to land" if path.is_file() else "give a key or a path",
            )
    elif not path.is_file():
        raise RequestError(f"{given}: there is no such file")
    if why := why_unroutable(key, sources, settings.start_date):
        raise RequestError(f"no source takes in {key}: {why}")
    return NewFile(key, None if has_landed else path)


def changed_dates(
    settings: Settings, catalog: Catalog, tables: Mapping[str, BronzeTable], files: Sequence[NewFile]
) -> dict[str, set[dt.date]]:
    """Return the business dates whose bronze rows change, by bronze table, when some files are taken in.

    Args:
        settings: where the landing zone is, and when the calendar starts.
        catalog: knows the file versions that are superseded.
        tables: the bronze tables, by source.
        files: the files, each of a known source.
    """
    changed: dict[str, set[dt.date]] = defaultdict(set)
    superseded = _superseded(catalog, [file.key for file in files])
    with tempfile.TemporaryDirectory(prefix="lakehouse-plan-") as scratch:
        for file in files:
            where = route(file.key)
            if where is None or where.source not in tables:
                continue
            table = tables[where.source]
            landing = open_landing(settings.landing if file.path is None else scratch)
            if file.path is not None:
                lay_out(landing, scratch, file.key, Path(scratch), file.path)
            for found in landing.objects(file.key):
                if found.key == file.key:
                    calendar = row_calendar(settings.start_date, where.landing_date, clock.today())
                    staged = Stage(landing, table.source, None)(FoundFile(found, where.landing_date, calendar))
                    changed[table.full_name].update(staged.business_dates if staged else ())
            changed[table.full_name].update(superseded.get(file.key, ()))
    return changed


def _superseded(catalog: Catalog, keys: Sequence[str]) -> dict[str, list[dt.date]]:
    """Return the business dates of the newest version that the lake has of some files."""
    if FILES.name not in catalog.names():
        return {}
    rows = catalog.rows(
        """
        SELECT source_file, business_dates FROM system.landing_files WHERE list_contains($keys, source_file)
        QUALIFY row_number() OVER (PARTITION BY source_file ORDER BY batch_id DESC) = 1
        """,
        {"keys": list(keys)},
    )
    return {row["source_file"]: row["business_dates"] for row in rows}


def lay_out(landing: Landing, zone: str, key: str, folder: Path, path: Path | None = None) -> None:
    """Bring a landing file, and its control file if it has one, into a folder under its key.

    Args:
        landing: the zone where the file lies.
        zone: that zone's location; a local file is linked, not copied.
        key: the file's key.
        folder: the folder.
        path: where the file is, if it does not lie in the zone yet.
    """
    for suffix in ("", CONTROL_SUFFIX):
        beside = path.with_name(path.name + suffix) if path else None
        target = folder / f"{key}{suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        if beside is None and is_local(zone):
            beside = Path(zone, f"{key}{suffix}")
        if beside is not None:
            if beside.exists():
                target.symlink_to(beside.resolve())
        elif landing.etag(f"{key}{suffix}") is not None:
            with landing.open(f"{key}{suffix}") as file, target.open("wb") as copied:
                shutil.copyfileobj(file, copied)
