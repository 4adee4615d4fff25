"""Ingestion: landing files into a bronze table, exactly once.

Belongs here: which files are new, the batch protocol, and what bronze adds to a row. Reading one file is ``staging``;
which Dagster partitions a run reports is for ``orchestration``.

The protocol of a batch, with number N, one batch at a time per source:

1. its files are staged, then its manifest is written: N, the file versions, the business dates they touch;
2. their rows are appended to bronze with the token (source, N);
3. the files are registered in ``system.landing_files`` with the same token;
4. whoever called reports the dates, and only then calls ``confirm``, which removes the manifest.

After a crash the manifest is still there and the tokens say how far the batch came: what was appended is registered
and its dates are reported again; what was not is forgotten, for the files are simply listed again.

When a declaration has columns that bronze's table has not, their rescued values are moved into them first. The manifest
names the columns and the days before anything is appended; the rows are appended again in batches of the same protocol.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse import clock
from lakehouse.delta.model import Token
from lakehouse.delta.predicates import Predicate
from lakehouse.delta.system_tables import FILES
from lakehouse.engines.factory import engine_of
from lakehouse.ingestion.bronze_rows import METADATA, FileRows, SupersededMark, bronze_layout
from lakehouse.ingestion.calendar_start import hold_first_day
from lakehouse.ingestion.column_backfill import FileRefill, files_to_refill, find_refill, groups, refilled_rows
from lakehouse.ingestion.file_registry import WITHOUT_ROWS, KnownFiles, known_files, register
from lakehouse.ingestion.manifest import BatchManifest, Manifest, ManifestFile, Refill
from lakehouse.ingestion.schema_drift import drift_in, drift_text
from lakehouse.ingestion.staging import FoundFile, Stage, StagedFile
from lakehouse.landing.zone import open_landing, route

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.engines.base import Engine, Part
    from lakehouse.ingestion.staging import Source
    from lakehouse.landing.zone import Landing, LandingObject
    from lakehouse.settings import Settings

_FEW_DAYS = 4
_REFILLED_ROWS = 200_000
"""Rows that one batch of a refill takes at most, unless a single file has more: they are held in memory."""
_AHEAD = dt.timedelta(days=1)
"""How far a row's date may lie ahead of its file's: a shop east of the file's clock."""


class ConcurrentIngestionError(Exception):
    """Two runs ingest one source at once; the later one gives up its batch."""


@dataclass(frozen=True)
class Progress:
    """One file of a running ingestion: its place, of how many, and its key."""

    done: int
    total: int
    key: str


@dataclass
class Ingested:
    """What a run took in.

    Attributes:
        newest: the newest version of every file of the landing dates asked for, as in ``system.landing_files``.
        dates: business dates whose bronze rows changed and that must be reported, those of an interrupted run included.
        rows: rows that bronze now holds of those dates, of every file version.
        files: ``system.landing_files`` rows of this run, of files with new bytes.
        notes: what somebody should know of this run, in sentences.
        skipped: keys of files that were being written to, left for the next run.
        version: bronze's newest version, None if nothing was appended.
    """

    dates: set[dt.date] = field(default_factory=set)
    rows: dict[dt.date, int] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    version: int | None = None
    newest: list[Mapping[str, Any]] = field(default_factory=list)


def row_calendar(start_date: dt.date, landing_date: dt.date, today: dt.date) -> tuple[dt.date, dt.date]:
    """Return the first and last business date that a row of some landing date can have."""
    return start_date, min(landing_date + _AHEAD, today)


def open_ingestion(settings: Settings, source: Source) -> Ingestion:
    """Return the ingestion of a source into a lakehouse; nothing is opened yet."""
    return Ingestion(
        engine=engine_of(settings),
        landing=open_landing(settings.landing),
        source=source,
        root=settings.root,
        earliest=settings.start_date,
        latest=clock.today(),
    )


@dataclass(frozen=True)
class Ingestion:
    """The ingestion of one source.

    Attributes:
        root: the lake's root, where manifests are kept.
        earliest: the first date of the lakehouse's calendar.
        latest: its last date, today.
    """

    engine: Engine
    landing: Landing
    source: Source
    root: str
    earliest: dt.date
    latest: dt.date

    @property
    def _manifest(self) -> ManifestFile:
        return ManifestFile(self.root, self.source.name)

    @property
    def _bronze(self) -> str:
        return bronze_layout(self.source).name

    def run(
        self, landing_dates: Collection[dt.date], *, run_id: str, progress: Callable[[Progress], None] = lambda _: None
    ) -> Ingested:
        """Take in every new file version of some landing dates.

        Raises:
            OSError: the storage failed; nothing is lost, and the next run goes on where this one stopped.
            SettingsError: the lake was made with another first day.
        """
        hold_first_day(self.root, self.earliest)
        result = Ingested(dates=self._recover())
        self._fill_new_columns(result, run_id)
        number = self._last_number() + 1  # taken before looking: a batch of another run since then is a conflict
        known = known_files(self.engine, self.source.name, landing_dates)
        listed = [
            FoundFile(landed, day, row_calendar(self.earliest, day, self.latest))
            for landed, day in self._listed(landing_dates)
        ]
        found = [file for file in listed if known.needs_reading(file.found)]
        number = self._take_in(found, known, number, result, run_id, progress)
        # What this run has corrected may have been the reason to leave a copy out.
        read = {file.found.key for file in found}
        orphaned = [file for file in listed if file.found.key not in read and known.needs_reading(file.found)]
        self._take_in(orphaned, known, number, result, run_id, progress)
        result.newest = list(known.newest.values())
        result.rows = self._count(result.dates)
        return result

    def _take_in(
        self,
        found: Sequence[FoundFile],
        known: KnownFiles,
        number: int,
        result: Ingested,
        run_id: str,
        progress: Callable[[Progress], None],
    ) -> int:
        """Read files and commit them, batch by batch from a number on; return the next number."""
        with tempfile.TemporaryDirectory(prefix="lakehouse-staging-") as folder:
            stage = Stage(self.landing, self.source, Path(folder) if self.engine.is_local else None)
            batch = _Batch(stage)
            staging = self.engine.each(stage, found)
            for place, file in enumerate(found, start=1):
                progress(Progress(place, len(found), file.found.key))
                if (staged := next(staging)) is None:
                    result.skipped.append(file.found.key)
                    continue
                self._add(batch, file, staged, known)
                if batch.taken_bytes > self.engine.batch_bytes:
                    self._commit(batch, number, result, run_id)
                    batch, number = _Batch(stage), number + 1
            if batch.files:
                self._commit(batch, number, result, run_id)
                number += 1
        return number

    def confirm(self) -> None:
        """Forget the manifest: every date it names has been reported."""
        self._manifest.remove()

    def new_columns(self) -> list[str]:
        """Return the declared columns that bronze's table, if there is one, does not have yet. It costs no query."""
        there = {name.casefold() for name in self.engine.columns(self._bronze)}
        own = [name for name in self.source.format.schema.names if name not in {added for added, *_ in METADATA}]
        return [name for name in own if there and name.casefold() not in there]

    def last_landing_date(self) -> dt.date | None:
        """Return the newest landing date of the source's files that were taken in."""
        from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

        if self.engine.version(FILES.name) is None:
            return None
        own = self.engine.read(FILES.name).where(F.col("data_source") == self.source.name)
        last: list[dt.date | None] = self.engine.collect(own.agg(F.max("landing_date").alias("last")))[
            "last"
        ].to_pylist()
        return last[0]

    def interrupted(self) -> Manifest | None:
        """Return the batches whose dates may not have been reported yet."""
        return self._manifest.read()

    def _recover(self) -> set[dt.date]:
        """Finish what a crashed run left: register what it appended, and return the dates it may not have reported."""
        manifest = self.interrupted()
        dates: set[dt.date] = set()
        for batch in manifest.batches if manifest else ():
            if self._appended(batch):
                if self._holds(batch):
                    register(self.engine, self.source.name, batch.number, batch.files)
                dates.update(batch.business_dates)
        return dates

    def _last_number(self) -> int:
        return self.engine.last_token(self._bronze, self.source.name) or 0

    def _appended(self, batch: BatchManifest) -> bool:
        return self._last_number() >= batch.number

    def _holds(self, batch: BatchManifest) -> bool:
        """Whether bronze's batch of this number is this one: of two runs at once, the loser may have left the manifest.

        Registering files that are not in bronze would lose them; files that are there and not registered are only
        taken in again, as a newer version of themselves.
        """
        wanted = {
            (file["source_file"], file["source_version"])
            for file in batch.files
            if file["outcome"] not in WITHOUT_ROWS and file["business_dates"]
        }
        if not wanted:
            return True
        where = Predicate("business_date", tuple(batch.business_dates))
        rows = self.engine.read(self._bronze, where).where(f"batch_id = {batch.number}")
        held = self.engine.collect(rows.select("source_file", "source_version").distinct()).to_pylist()
        return wanted <= {(row["source_file"], row["source_version"]) for row in held}

    def _listed(self, landing_dates: Collection[dt.date]) -> list[tuple[LandingObject, dt.date]]:
        """List the source's objects of some landing dates, in the order of their keys."""
        name = self.source.name
        prefixes = [f"{name}/{form}{day}" for day in landing_dates for form in ("", "dt=")]
        if len(landing_dates) > _FEW_DAYS:
            prefixes = [f"{name}/"]
        wanted = set(landing_dates)
        found = {}
        for prefix in prefixes:
            for landed in self.landing.objects(prefix):
                where = route(landed.key)
                if where is not None and where.source == name and where.landing_date in wanted:
                    found[landed.key] = (landed, where.landing_date)
        return [found[key] for key in sorted(found)]

    def _add(self, batch: _Batch, file: FoundFile, staged: StagedFile, known: KnownFiles) -> None:
        """Decide what a staged file is: unchanged, a copy, refused or ingested."""
        newest = known.newest.get(staged.key)
        is_orphaned = newest is not None and known.lost_its_original(newest)
        # What is announced of a file may have been corrected, and then the same bytes are refused no more.
        as_before = newest is not None and (newest["outcome"] == "refused") == (staged.refusal is not None)
        if newest is not None and newest["source_version"] == staged.version and as_before and not is_orphaned:
            _forget(staged)
            row = {**newest, "etag": staged.etag, "outcome": "unchanged", "business_dates": [], "drift": None}
            batch.files.append(row)
            known.add(row)
            return
        copy_of = known.first_with(staged) if newest is None or is_orphaned else None
        outcome = "copy" if copy_of else "refused" if staged.refusal else "ingested"
        row = {
            "data_source": self.source.name,
            "source_file": staged.key,
            "source_version": staged.version,
            "etag": staged.etag,
            "size_bytes": staged.size,
            "landing_date": staged.landing_date,
            "outcome": outcome,
            "copy_of": copy_of,
            "records": staged.records,
            "rejected_records": staged.rejected_records,
            "business_dates": [] if copy_of else list(staged.business_dates),
            "drift": None if copy_of else drift_text(staged.drift),
        }
        batch.files.append(row)
        if copy_of is not None:
            _forget(staged)
        else:
            batch.taken.append((file, staged))
            batch.taken_bytes += staged.path.stat().st_size if staged.path else staged.size
            if outcome == "ingested":  # a refusal replaces nothing, so no day loses rows by it
                gone = known.dates.get(staged.key, set()) - set(staged.business_dates)
                batch.superseded += [(file, staged, day) for day in sorted(gone)]
        known.add({**row, "batch_id": None})

    def _commit(self, batch: _Batch, number: int, result: Ingested, run_id: str) -> None:
        now = clock.now()
        files = [{**row, "batch_id": number, "ingested_at": now} for row in batch.files]
        dates = batch.dates()
        self._append(BatchManifest(number, files, sorted(dates)), batch.parts(number, now), result, run_id)
        for _, staged in batch.taken:
            _forget(staged)
        new = [file for file in files if file["outcome"] != "unchanged"]
        result.files += new
        result.notes += [
            f"{file['source_file']}: {'; '.join(each.sentence for each in drift)}"
            for file in new
            if (drift := drift_in(file["drift"]))
        ]

    def _append(self, batch: BatchManifest, rows: pa.Table | Sequence[Part], result: Ingested, run_id: str) -> None:
        """Bring a batch through the protocol, up to the report of its dates.

        Raises:
            ConcurrentIngestionError: its number is taken.
        """
        layout, number = bronze_layout(self.source), batch.number
        self._write_manifest(run_id, batch)
        # Without rows, too: whoever appends the number owns it, and only the owner registers files under it.
        version = self.engine.append(layout, rows, token=Token(self.source.name, number), metadata={"run_id": run_id})
        if version is None:
            raise ConcurrentIngestionError(
                f"{layout.name}: another run has just committed batch {number}; nothing of this run's batch is "
                "committed and its files are taken by the next run"
            )
        result.version = version
        register(self.engine, self.source.name, number, batch.files)
        result.dates |= set(batch.business_dates)

    def _write_manifest(self, run_id: str, batch: BatchManifest) -> None:
        """Add a batch to the manifest; earlier batches that are not confirmed yet stay in it."""
        manifest = self.interrupted()
        earlier = [other for other in manifest.batches if other.number != batch.number] if manifest else []
        refill = manifest.refill if manifest else None
        self._manifest.write(run_id, [*(other for other in earlier if self._appended(other)), batch], refill)

    def _fill_new_columns(self, result: Ingested, run_id: str) -> None:
        """Give bronze the columns that have been declared, with the values that were rescued before they were.

        What a crashed run has done of it is not found again, and what it has not is in the manifest.
        """
        manifest = self.interrupted()
        refill = self._declared(manifest.refill) if manifest and manifest.refill else None
        new = self.new_columns()
        if new and not set(new) <= set(refill.columns if refill else ()):
            refill = _together(refill, find_refill(self.engine, self.source, new))
            if refill is not None:
                self._manifest.write(run_id, manifest.batches if manifest else [], refill)
        if refill is not None:
            self._refill(refill, result, run_id)
        if self.new_columns():  # silver will read them
            self.engine.append(bronze_layout(self.source), bronze_layout(self.source).schema.empty_table())

    def _declared(self, refill: Refill) -> Refill | None:
        """Return a refill without the columns that are declared no more, or None where none is left."""
        columns = [name for name in refill.columns if name in bronze_layout(self.source).schema.names]
        return replace(refill, columns=columns) if columns else None

    def _refill(self, refill: Refill, result: Ingested, run_id: str) -> None:
        rows, files = 0, set()
        found = files_to_refill(self.engine, self.source, refill.columns, refill.business_dates)
        for group in groups(found, _REFILLED_ROWS):
            number, now = self._last_number() + 1, clock.now()
            table = refilled_rows(self.engine, self.source, group, refill.columns, number, now)
            if table.num_rows:
                batch = self._refill_batch(table, group, number, now)
                self._append(batch, table, result, run_id)
                rows += table.num_rows
                files |= {file["source_file"] for file in batch.files}
        result.dates |= set(refill.business_dates)
        result.notes.append(
            f"{rows} rows of {len(files)} files appended again, with rescued values in {', '.join(refill.columns)}"
        )

    def _refill_batch(
        self, table: pa.Table, group: Sequence[FileRefill], number: int, now: dt.datetime
    ) -> BatchManifest:
        """Return the batch of rows appended again: their files are registered as refilled."""
        landed = {file.source_file: file.landing_date for file in group}
        known = known_files(self.engine, self.source.name, set(landed.values()))
        of_file: dict[str, list[Any]] = {}
        for row in table.select(["source_file", "source_version", "business_date", "reject_reason"]).to_pylist():
            of_file.setdefault(row["source_file"], []).append(row)
        files = [
            {
                **known.newest.get(key, {}),
                "data_source": self.source.name,
                "source_file": key,
                "source_version": rows[0]["source_version"],
                "landing_date": landed[key],
                "batch_id": number,
                "outcome": "refilled",
                "copy_of": None,
                "records": len(rows),
                "rejected_records": sum(row["reject_reason"] is not None for row in rows),
                "business_dates": sorted({row["business_date"] for row in rows}),
                "ingested_at": now,
                "drift": None,
            }
            for key, rows in sorted(of_file.items())
        ]
        return BatchManifest(number, files, sorted(set(table["business_date"].to_pylist())))

    def _count(self, days: Collection[dt.date]) -> dict[dt.date, int]:
        """Return how many rows bronze holds for some days, of every file version, as its log counts them."""
        counts = self.engine.row_counts(self._bronze, "business_date")
        return {day: counts[day] for day in days if counts.get(day)}


def _together(first: Refill | None, second: Refill | None) -> Refill | None:
    """Return one refill of the columns and days of two."""
    if first is None or second is None:
        return first or second
    return Refill(
        [*dict.fromkeys([*first.columns, *second.columns])],
        sorted({*first.business_dates, *second.business_dates}),
        min(first.landing_date, second.landing_date),
    )


def _forget(staged: StagedFile) -> None:
    if staged.path is not None:
        staged.path.unlink()


@dataclass
class _Batch:
    """Files on their way into one commit."""

    stage: Stage
    files: list[dict[str, Any]] = field(default_factory=list)
    taken: list[tuple[FoundFile, StagedFile]] = field(default_factory=list)
    superseded: list[tuple[FoundFile, StagedFile, dt.date]] = field(default_factory=list)
    taken_bytes: int = 0

    def dates(self) -> set[dt.date]:
        """Return the business dates whose bronze rows the batch changes."""
        return {day for _, staged in self.taken for day in staged.business_dates} | {day for *_, day in self.superseded}

    def parts(self, number: int, now: dt.datetime) -> list[FileRows | SupersededMark]:
        """Return the rows of every file, and a mark for each day that a file no longer has rows for."""
        rows = [FileRows(self.stage, file, staged, number, now) for file, staged in self.taken]
        marks = [
            SupersededMark(FileRows(self.stage, file, staged, number, now), day)
            for file, staged, day in self.superseded
        ]
        return [*rows, *marks]
