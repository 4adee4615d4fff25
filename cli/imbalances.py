"""Reconciliation: every number of the lake again, from the tables themselves, and where two of them disagree.

Belongs here: the comparisons, in SQL over the tables' own rows. Nothing a run says of itself is believed; the row
ledger is one of the sides that are compared. What to do about an imbalance is for people.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cli.lake import Lake, rows
from cli.landing_state import LandingState, source_names
from cli.ledger import NEWEST_LINES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Imbalance:
    """Two sides of the lake that should agree and do not.

    Attributes:
        table: the table that is off.
        partition: its partition, where one is concerned.
        file: key of the landing file, where one is concerned.
        found: what was found, against what, in a sentence.
    """

    table: str
    partition: dt.date | None
    file: str | None
    found: str


@dataclass
class Reconciliation:
    """What was compared and what came of it.

    Attributes:
        compared: partitions or files compared, by kind of comparison.
        notes: what could not be compared, and why that is no fault.
    """

    compared: dict[str, int] = field(default_factory=dict)
    imbalances: list[Imbalance] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take(self, comparison: str, compared: list[dict[str, Any]], judge: Callable[[dict[str, Any]], Any]) -> None:
        """Judge each compared row; ``judge`` yields imbalances."""
        self.compared[comparison] = self.compared.get(comparison, 0) + len(compared)
        for row in compared:
            self.imbalances += judge(row)


def reconcile_lake(lake: Lake, landing: LandingState) -> Reconciliation:
    """Compare everything that can be compared with the tables there are."""
    found = Reconciliation()
    connection, names = lake.connect(), set(lake.names())
    if "system.row_ledger" in names:
        for source in source_names():
            if f"bronze.{source}" in names:
                _rows_of_days(found, connection, source, names)
    if "system.landing_files" in names:
        for source in source_names():
            if f"bronze.{source}" in names:
                _rows_of_files(found, connection, source)
    _landing(found, landing)
    if "gold.daily_sales_summary" in names and "silver.transactions" in names:
        _sales(found, connection, names)
    return found


_DAYS = """
    WITH bronze AS (
        SELECT business_date, source_file, batch_id, count(*) AS rows,
            CASE WHEN reject_reason LIKE 'file:superseded%' THEN 'mark'
                WHEN reject_reason LIKE 'file:%' THEN 'refusal' ELSE 'row' END AS kind
        FROM bronze.{source} GROUP BY ALL
    ), versions AS (
        SELECT *,
            coalesce(max(batch_id) FILTER (kind <> 'refusal') OVER file_of_day, -1) AS readable,
            coalesce(max(batch_id) FILTER (kind = 'refusal') OVER file_of_day, -1) AS refused
        FROM bronze WINDOW file_of_day AS (PARTITION BY business_date, source_file)
    ), received AS (
        SELECT business_date, sum(rows)::BIGINT AS received,
            coalesce(sum(rows) FILTER (batch_id < readable OR (kind = 'refusal' AND batch_id < refused)), 0)::BIGINT
                AS replaced
        FROM versions WHERE kind <> 'mark' GROUP BY ALL
    ), silver AS (
        SELECT business_date, count(*) AS readable FROM {silver} GROUP BY ALL
    ), quarantine AS (
        SELECT business_date, count(*) AS quarantined FROM {quarantine} GROUP BY ALL
    ), judged AS (
        SELECT * FROM ({newest}) WHERE table_name = 'silver.{source}'
    ), last_good AS (
        SELECT business_date, arg_max(published, recorded_at) AS last_published
        FROM system.row_ledger WHERE table_name = 'silver.{source}' AND verdict = 'published' GROUP BY ALL
    )
    SELECT business_date, judged.verdict, judged.rows_in, judged.published, judged.rejected, judged.duplicate,
        judged.superseded, coalesce(received, 0) AS received, coalesce(replaced, 0) AS replaced,
        coalesce(readable, 0) AS readable, coalesce(quarantined, 0) AS quarantined,
        coalesce(last_published, 0) AS last_published
    FROM received
        FULL JOIN judged USING (business_date) FULL JOIN silver USING (business_date)
        FULL JOIN quarantine USING (business_date) FULL JOIN last_good USING (business_date)
    ORDER BY business_date
"""


def _rows_of_days(found: Reconciliation, connection: DuckDBPyConnection, source: str, names: set[str]) -> None:
    """Account for every row of bronze, day by day."""
    table = f"silver.{source}"
    none = "(SELECT NULL::DATE AS business_date WHERE false)"
    quarantine = f"(FROM silver.quarantine WHERE table_name = '{table}')" if "silver.quarantine" in names else none
    sql = _DAYS.format(
        source=source, silver=table if table in names else none, quarantine=quarantine, newest=NEWEST_LINES
    )
    days = rows(connection, sql)

    def judge(day: dict[str, Any]) -> Iterator[Imbalance]:
        for sentence in _of_day(table, day):
            yield Imbalance(table, day["business_date"], None, sentence)

    found.take(f"days of {table}", days, judge)
    held = sum(day["verdict"] == "held" for day in days)
    if held:
        found.notes.append(f"{table}: {held} held days are compared with what was last published of them")


def _of_day(table: str, day: dict[str, Any]) -> Iterator[str]:
    if day["verdict"] is None:
        yield (
            f"{day['received']} rows in bronze and {day['readable']} in {table}, but the row ledger has no line; "
            "`lakehouse run` judges the day"
        )
        return
    accounted = day["published"] + day["rejected"] + day["duplicate"] + day["superseded"]
    if accounted != day["rows_in"]:
        yield f"the row ledger accounts for {accounted} of {day['rows_in']} rows in"
    if day["received"] != day["rows_in"]:
        yield f"bronze has {day['received']} rows, the row ledger {day['rows_in']} rows in; `lakehouse run` judges them"
    if day["replaced"] != day["superseded"]:
        yield f"{day['replaced']} rows of bronze are superseded, the row ledger says {day['superseded']}"
    if day["quarantined"] != day["rejected"]:
        yield f"quarantine has {day['quarantined']} rows, the row ledger says {day['rejected']} rejected"
    published = day["published"] if day["verdict"] == "published" else day["last_published"]
    if day["readable"] != published:
        yield f"{table} has {day['readable']} rows, the row ledger says {published} published"


def _rows_of_files(found: Reconciliation, connection: DuckDBPyConnection, source: str) -> None:
    """Compare each file version's rows in bronze with its records."""
    files = rows(
        connection,
        f"""
        WITH bronze AS (
            SELECT source_file, batch_id, count(*) AS rows FROM bronze.{source}
            WHERE reject_reason IS NULL OR reject_reason NOT LIKE 'file:superseded%' GROUP BY ALL
        ), registered AS (
            SELECT source_file, batch_id, outcome,
                CASE outcome WHEN 'ingested' THEN records WHEN 'refused' THEN 1 ELSE 0 END AS due
            FROM system.landing_files WHERE data_source = '{source}'
        )
        SELECT source_file, batch_id, outcome, due, coalesce(rows, 0) AS rows
        FROM registered FULL JOIN bronze USING (source_file, batch_id) ORDER BY ALL
        """,  # noqa: S608 - a source's name is a module's name
    )

    def judge(file: dict[str, Any]) -> Iterator[Imbalance]:
        if file["due"] is None:
            sentence = f"{file['rows']} rows of batch {file['batch_id']}, but system.landing_files does not know it"
        elif file["rows"] != file["due"]:
            sentence = f"{file['rows']} rows of batch {file['batch_id']}, {file['due']} due ({file['outcome']})"
        else:
            return
        yield Imbalance(f"bronze.{source}", None, file["source_file"], sentence)

    found.take(f"files of bronze.{source}", files, judge)


def _landing(found: Reconciliation, landing: LandingState) -> None:
    found.compared["files in the landing zone"] = landing.known + len(landing.pending)
    found.imbalances += [
        Imbalance(
            "system.landing_files", None, key, "in the landing zone, but not in the lake; `lakehouse run` takes it"
        )
        for key in landing.pending
    ]
    found.notes += [f"nobody takes {file.key}: {file.why}" for file in landing.unroutable]
    if landing.gone:
        found.notes.append(f"{landing.gone} files of the lake are no longer in the landing zone; their rows are")


_SUMS = "sum(lines)::BIGINT AS lines, sum(net_sales) AS net_sales"
_OF_LINES = "(SELECT business_date, count(*) AS lines, sum(amount) AS net_sales FROM silver.transactions GROUP BY ALL)"
_SALES = (
    ("gold.daily_sales_summary", "business_date", _OF_LINES, "business_date"),
    ("gold.sales_by_region", "business_date", "gold.daily_sales_summary", "business_date"),
    ("gold.product_performance", "business_date", "gold.daily_sales_summary", "business_date"),
    ("gold.weekly_sales_summary", "week_start", "gold.daily_sales_summary", "date_trunc('week', business_date)"),
    ("gold.monthly_sales_summary", "month_start", "gold.daily_sales_summary", "date_trunc('month', business_date)"),
)
"""A table, its partition, what it sums up, and the partition of that."""


def _sales(found: Reconciliation, connection: DuckDBPyConnection, names: set[str]) -> None:
    """Compare the sales in gold with the lines in silver, and gold with itself."""
    for table, partition, basis, of_basis in _SALES:
        if table not in names:
            continue
        compared = rows(
            connection,
            f"""
            SELECT partition, ours.lines AS lines, ours.net_sales AS net_sales,
                due.lines AS due_lines, due.net_sales AS due_net_sales
            FROM (SELECT {partition} AS partition, {_SUMS} FROM {table} GROUP BY ALL) AS ours
            FULL JOIN (SELECT ({of_basis})::DATE AS partition, {_SUMS} FROM {basis} GROUP BY ALL) AS due
            USING (partition) ORDER BY partition
            """,  # noqa: S608 - constants
        )

        def judge(row: dict[str, Any], table: str = table, basis: str = basis) -> Iterator[Imbalance]:
            has, due = (row["lines"], row["net_sales"]), (row["due_lines"], row["due_net_sales"])
            if has != due:
                against = "silver.transactions" if basis == _OF_LINES else basis
                sentence = f"{_sales_text(has)}, but {against} {_sales_text(due)}"
                yield Imbalance(table, row["partition"], None, sentence)

        found.take(f"partitions of {table}", compared, judge)


def _sales_text(sales: tuple[int | None, Any]) -> str:
    return "has no sales" if sales[0] is None else f"has {sales[0]} lines of {sales[1]}"
