"""The quick comparisons: every number of the lake recounted from the tables, and where two of them disagree.

Belongs here: comparisons in SQL over the tables' own rows, without an engine. What a run reports about itself counts
for nothing; the row ledger is one of the sides that are compared. Computing rows again belongs in ``strict``; what to
do about a discrepancy is for people.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.landing_state import LandingState, landing_state
from lakehouse.catalog.ledger_views import NEWEST_LINES, OPEN_ROWS
from lakehouse.catalog.reader import Catalog, rows
from lakehouse.delta.data_files import data_files, present
from lakehouse.delta.system_tables import FILES, LEDGER, QUARANTINE
from lakehouse.storage.files import table_uri

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lakehouse.reconciliation.recompute import Difference
    from lakehouse.settings import Settings


@dataclass(frozen=True)
class Discrepancy:
    """Two sides of the lake that should agree and do not.

    Attributes:
        table: the table that is off.
        partition: its partition, where one is concerned.
        file: key of the landing file, or path of the table's data file, where one is concerned.
        found: what was found, against what, in a sentence.
        difference: the rows that differ from those computed again, where they were compared.
    """

    table: str
    partition: dt.date | None
    file: str | None
    found: str
    difference: Difference | None = None


@dataclass
class Reconciliation:
    """What was compared, and every discrepancy.

    Attributes:
        compared: partitions or files compared, by kind of comparison.
        notes: what could not be compared, and why that is no fault.
        damaged: tables that cannot be read, for data files of theirs are gone or cut.
    """

    compared: dict[str, int] = field(default_factory=dict)
    discrepancies: list[Discrepancy] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)

    @property
    def is_balanced(self) -> bool:
        """Whether there is no discrepancy."""
        return not self.discrepancies

    def check(
        self, comparison: str, compared: list[dict[str, Any]], find: Callable[[dict[str, Any]], Iterator[Discrepancy]]
    ) -> None:
        """Check each compared row; ``find`` yields its discrepancies."""
        self.compared[comparison] = self.compared.get(comparison, 0) + len(compared)
        for row in compared:
            self.discrepancies += find(row)


def compare(settings: Settings, lake: Catalog, sources: Sequence[str]) -> Reconciliation:
    """Compare all that can be compared without an engine.

    Raises:
        RequestError: there are no tables yet.
    """
    lake.require_tables()
    found = Reconciliation()
    compare_data_files(found, lake)
    landing = None if FILES.name in found.damaged else landing_state(settings, lake, sources)
    compare_tables(found, lake, sources, landing)
    return found


def compare_data_files(found: Reconciliation, lake: Catalog) -> None:
    """Check that every data file that a table's log names is in storage, whole."""
    for name in lake.names():
        opened, location = lake.open(name), table_uri(lake.root, name)
        files = data_files(opened)
        there = present(location, [file.path for file in files])
        wrong = [
            Discrepancy(name, _date(dict(file.partition)), file.path, sentence)
            for file in files
            if (sentence := _about_file(name, file.size_bytes, there.get(file.path), file.rows))
        ]
        found.compared["data files"] = found.compared.get("data files", 0) + len(files)
        found.discrepancies += wrong
        if wrong:
            found.damaged.add(name)
            found.notes.append(f"{name} cannot be read: it is not compared any further, nor what is made from it")


def _about_file(table: str, expected: int, size: int | None, rows: int | None) -> str | None:
    if size == expected:
        return None
    held = "" if rows is None else f" with {rows:,} row{'' if rows == 1 else 's'}"
    short = f"data file has {size or 0:,} bytes, {expected:,} expected"
    what = f"data file{held} is gone from storage" if size is None else short
    if table.startswith(("silver.", "gold.")) and table != QUARANTINE.name:
        return f"{what}; materialize the partition again, or bring the file back"
    return f"{what}; bring it back from a copy of the lake"


def _date(partition: dict[str, str | None]) -> dt.date | None:
    for value in partition.values():
        try:
            return dt.date.fromisoformat(value or "")
        except ValueError:
            continue
    return None


def compare_tables(found: Reconciliation, lake: Catalog, sources: Sequence[str], landing: LandingState | None) -> None:
    """Compare everything that can be compared in SQL with the tables there are.

    Args:
        found: takes what is found; its damaged tables are left alone.
        lake: the tables.
        sources: the names of the sources.
        landing: the landing zone beside the lake; None where that cannot be known.
    """
    connection, names = lake.connect(), set(lake.names()) - found.damaged
    if LEDGER.name in names:
        for source in sources:
            _rows_of_days(found, connection, source, names)
        for table in sorted(name for name in names if name.startswith("gold.")):
            columns = lake.open(table).metadata().partition_columns
            if columns:  # a dimension's row changes on other days than its own, and the ledger counts by day
                _rows_of_partitions(found, connection, table, columns[0])
    gone = set(landing.gone) if landing else set()
    if FILES.name in names:
        for source in sources:
            if f"bronze.{source}" not in found.damaged:
                _rows_of_files(found, connection, source, names, gone)
    if landing is not None:
        _landing(found, landing, gone)


_NO_DAYS = "(SELECT NULL::DATE AS business_date, NULL::VARCHAR AS reject_reason WHERE false)"

_DAYS = """
    WITH bronze AS (
        SELECT business_date, count(*) AS received FROM {bronze}
        WHERE reject_reason IS NULL OR reject_reason NOT LIKE 'file:superseded%' GROUP BY ALL
    ), silver AS (
        SELECT business_date, count(*) AS readable FROM {silver} GROUP BY ALL
    ), quarantine AS (
        SELECT business_date, count(*) AS quarantined FROM {quarantine} GROUP BY ALL
    ), entry AS (
        SELECT * FROM ({newest}) WHERE table_name = '{table}'
    ), last_good AS (
        SELECT business_date, arg_max(published, recorded_at) AS last_published
        FROM {ledger} WHERE table_name = '{table}' AND verdict <> 'held' GROUP BY ALL
    )
    SELECT business_date, entry.verdict, entry.rows_in, entry.published, entry.rejected, entry.duplicate,
        entry.superseded, entry.discarded, coalesce(received, 0) AS received,
        coalesce(readable, 0) AS readable, coalesce(quarantined, 0) AS quarantined,
        coalesce(last_published, 0) AS last_published
    FROM bronze
        FULL JOIN entry USING (business_date) FULL JOIN silver USING (business_date)
        FULL JOIN quarantine USING (business_date) FULL JOIN last_good USING (business_date)
    ORDER BY business_date
"""


def _rows_of_days(found: Reconciliation, connection: DuckDBPyConnection, source: str, names: set[str]) -> None:
    """Account for every row of bronze, day by day."""
    bronze, table, quarantine = f"bronze.{source}", f"silver.{source}", QUARANTINE.name
    if found.damaged & {bronze, table, quarantine}:
        return
    sql = _DAYS.format(
        table=table,
        bronze=bronze if bronze in names else _NO_DAYS,
        silver=table if table in names else _NO_DAYS,
        quarantine=f"(FROM {OPEN_ROWS} WHERE table_name = '{table}')" if quarantine in names else _NO_DAYS,
        newest=NEWEST_LINES,
        ledger=LEDGER.name,
    )
    days = rows(connection, sql)
    if not days:
        return

    def find(day: dict[str, Any]) -> Iterator[Discrepancy]:
        for sentence in _of_day(table, day):
            yield Discrepancy(table, day["business_date"], None, sentence)

    found.check(f"days of {table}", days, find)
    held = sum(day["verdict"] == "held" for day in days)
    if held:
        found.notes.append(f"{table}: {held} held days are compared with what was last published of them")


def _of_day(table: str, day: dict[str, Any]) -> Iterator[str]:
    if day["verdict"] is None:
        yield (
            f"{day['received']} rows in bronze and {day['readable']} in {table}, but the row ledger has no line; "
            "`lakehouse run` audits the day"
        )
        return
    accounted = sum(day[name] for name in ("published", "rejected", "duplicate", "superseded", "discarded"))
    if accounted != day["rows_in"]:
        yield f"the row ledger accounts for {accounted} of {day['rows_in']} rows in"
    if day["received"] != day["rows_in"]:
        yield f"bronze has {day['received']} rows, the row ledger {day['rows_in']} rows in; `lakehouse run` audits them"
    if day["quarantined"] != day["rejected"]:
        yield f"quarantine has {day['quarantined']} open rows, the row ledger says {day['rejected']} rejected"
    yield from _readable(table, day)


def _readable(table: str, partition: dict[str, Any]) -> Iterator[str]:
    published = partition["last_published"] if partition["verdict"] == "held" else partition["published"]
    if partition["readable"] != published:
        yield f"{table} has {partition['readable']} rows, the row ledger says {published or 0} published"


def _rows_of_partitions(found: Reconciliation, connection: DuckDBPyConnection, table: str, column: str) -> None:
    """Compare the rows of a table made from others with what the row ledger says was published."""
    partitions = rows(
        connection,
        f"""
        WITH readable AS (
            SELECT "{column}" AS partition, count(*) AS readable FROM {table} GROUP BY ALL
        ), entry AS (
            SELECT business_date AS partition, verdict, published FROM ({NEWEST_LINES}) WHERE table_name = '{table}'
        ), last_good AS (
            SELECT business_date AS partition, arg_max(published, recorded_at) AS last_published
            FROM {LEDGER.name} WHERE table_name = '{table}' AND verdict <> 'held' GROUP BY ALL
        )
        SELECT partition, verdict, published, coalesce(last_published, 0) AS last_published,
            coalesce(readable, 0) AS readable
        FROM readable FULL JOIN entry USING (partition) FULL JOIN last_good USING (partition) ORDER BY partition
        """,  # noqa: S608 - a table's name is a folder's
    )

    def find(partition: dict[str, Any]) -> Iterator[Discrepancy]:
        for sentence in _readable(table, partition):
            yield Discrepancy(table, partition["partition"], None, sentence)

    found.check(f"partitions of {table}", partitions, find)


def _rows_of_files(
    found: Reconciliation, connection: DuckDBPyConnection, source: str, names: set[str], gone: set[str]
) -> None:
    """Compare each file version's rows in bronze with its records."""
    bronze = f"bronze.{source}"
    nothing = (
        "(SELECT NULL::VARCHAR AS source_file, NULL::BIGINT AS batch_id, NULL::VARCHAR AS reject_reason WHERE false)"
    )
    files = rows(
        connection,
        f"""
        WITH bronze AS (
            SELECT source_file, batch_id, count(*) AS rows FROM {bronze if bronze in names else nothing}
            WHERE reject_reason IS NULL OR reject_reason NOT LIKE 'file:superseded%' GROUP BY ALL
        ), registered AS (
            SELECT source_file, batch_id, outcome,
                CASE WHEN outcome IN ('ingested', 'refilled') THEN records WHEN outcome = 'refused' THEN 1 ELSE 0 END
                    AS expected
            FROM {FILES.name} WHERE data_source = '{source}'
        )
        SELECT source_file, batch_id, outcome, expected, coalesce(rows, 0) AS rows
        FROM registered FULL JOIN bronze USING (source_file, batch_id) ORDER BY ALL
        """,  # noqa: S608 - a source's name is a module's name
    )
    if not files:
        return

    def find(file: dict[str, Any]) -> Iterator[Discrepancy]:
        if file["expected"] is None:
            sentence = f"{file['rows']} rows of batch {file['batch_id']}, but {FILES.name} does not know it"
        elif file["rows"] != file["expected"]:
            sentence = (
                f"{file['rows']} rows of batch {file['batch_id']}, {file['expected']} expected ({file['outcome']})"
            )
            if file["source_file"] in gone:
                sentence += "; the file is no longer in the landing zone either"
        else:
            return
        yield Discrepancy(bronze, None, file["source_file"], sentence)

    found.check(f"files of {bronze}", files, find)


def _landing(found: Reconciliation, landing: LandingState, gone: set[str]) -> None:
    found.compared["files in the landing zone"] = landing.known + len(landing.pending)
    found.discrepancies += [
        Discrepancy(FILES.name, None, key, "in the landing zone, but not in the lake; `lakehouse run` takes it")
        for key in landing.pending
    ]
    found.notes += [f"nobody takes {file.key}: {file.why}" for file in landing.unroutable]
    missed = {each.file for each in found.discrepancies}
    found.notes += [
        f"{key} is no longer in the landing zone; what it brought is in the lake" for key in sorted(gone - missed)
    ]
