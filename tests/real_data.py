"""The real days in `data/online_retail`, delivered badly, and what must come of them.

Set ``ONLINE_RETAIL`` to a folder with more of the data set's daily files, and to a JSON of their totals beside it
(`<folder>_expected.json`), to run the same tests on all of it.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import duckdb
from deltalake import DeltaTable

HERE = Path(__file__).parents[1] / "data" / "online_retail"
FOLDER = Path(os.environ.get("ONLINE_RETAIL", HERE))


MARTS = {
    "daily_sales_summary": "business_date",
    "weekly_sales_summary": "week_start",
    "monthly_sales_summary": "month_start",
    "sales_by_region": "business_date",
    "sales_by_product": "business_date",
    "product_performance": "month_start",
    "customer_days": "business_date",
    "customer_months": "month_start",
}
"""Tables that sum lines, and by which period."""
PERIODS = {
    "business_date": "business_date",
    "week_start": "date_trunc('week', business_date)::date",
    "month_start": "date_trunc('month', business_date)::date",
}
MEASURES = "sum(lines), sum(units), sum(gross_sales), sum(returns), sum(net_sales)"
LINE_MEASURES = (
    "count(*), sum(quantity), coalesce(sum(amount) filter (kind = 'sale'), 0), "
    "coalesce(sum(amount) filter (kind = 'cancellation'), 0), sum(amount)"
)


def files() -> list[Path]:
    """The daily files, in order."""
    return sorted(FOLDER.glob("????-??-??.csv"))


def expected_days() -> dict[str, tuple[int, int, int, Decimal]]:
    """Rows, distinct invoices, units and amount of each day, over every kind of line, duplicates removed."""
    path = HERE / "expected_days.json" if FOLDER == HERE else FOLDER.with_name(f"{FOLDER.name}_expected.json")
    found = json.loads(path.read_text())
    days = found if isinstance(found, list) else found["days"]
    return {day["d"]: (day["rows"], day["invoices"], day["units"], Decimal(day["amount"])) for day in days}


def badly_delivered(landing: Path, days: Sequence[Path], seed: int) -> list[list[tuple[Path, bytes]]]:
    """Deliveries in a random order, in three parts: one file cut at first and whole later, two sent again as copies."""
    shuffled = [*days]
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - a test's order, not a secret
    deliveries = [(landing / file.name, file.read_bytes()) for file in shuffled]
    target, whole = deliveries[0]
    copies = [(path.with_name(f"{path.stem}-again.csv"), content) for path, content in deliveries[1:3]]
    third = len(deliveries) // 3
    return [
        [(target, whole[: len(whole) * 2 // 3]), *deliveries[1:third]],
        [*deliveries[third : 2 * third], copies[0]],
        [*deliveries[2 * third :], (target, whole), copies[1]],
    ]


def deliver(delivery: list[tuple[Path, bytes]]) -> None:
    """Put files in place, each at once."""
    for path, content in delivery:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}")
        draft.write_bytes(content)
        shutil.move(draft, path)


def query(root: Path, sql: str) -> list[tuple[object, ...]]:
    """Run SQL over a lake's tables, named ``silver_transactions``."""
    connection = duckdb.connect()
    for log in root.glob("*/*/_delta_log"):
        table = log.parent
        connection.register(f"{table.parent.name}_{table.name}", DeltaTable(str(table)).to_pyarrow_dataset())
    return connection.sql(sql).fetchall()


def versions(root: Path) -> dict[str, int]:
    """The newest version of every table of a lake."""
    return {
        f"{log.parent.parent.name}.{log.parent.name}": DeltaTable(str(log.parent)).version()
        for log in root.glob("*/*/_delta_log")
    }


def assert_exact(root: Path, days: Sequence[Path]) -> None:
    """Every day of gold is as expected, silver adds up, and weeks and months are the sums of their days."""
    known = expected_days()
    expected = {file.stem: known[file.stem] for file in days}
    daily = query(root, "select business_date, lines, orders, units, net_sales from gold_daily_sales_summary")
    assert {str(day): (lines, orders, units, net) for day, lines, orders, units, net in daily} == expected
    ((rows, ids, amount),) = query(
        root, "select count(*), count(distinct line_id), sum(amount) from silver_transactions"
    )
    assert (rows, ids) == (sum(day[0] for day in expected.values()),) * 2
    assert amount == sum(day[3] for day in expected.values())
    for table, column, period in (("weekly", "week_start", "week"), ("monthly", "month_start", "month")):
        built = query(root, f"select {column}, days, lines, net_sales from gold_{table}_sales_summary order by 1")  # noqa: S608
        summed = query(
            root,
            f"select date_trunc('{period}', business_date)::date d, count(*), sum(lines), sum(net_sales) "  # noqa: S608
            "from gold_daily_sales_summary group by d order by d",
        )
        assert built == summed
    unbalanced = query(
        root,
        "select * from (select *, row_number() over "
        "(partition by table_name, business_date order by recorded_at desc) newest "
        "from system_row_ledger) where newest = 1 and (rows_in <> published + rejected + duplicate + superseded "
        "or verdict <> 'published')",
    )
    assert unbalanced == []
    assert_gold_adds_up(root)


def assert_gold_adds_up(root: Path) -> None:
    """Every line of silver is in gold's facts as it is, every mart sums it once, and every key is found."""
    line = "line_id, business_date, kind, quantity, amount"
    for one, other in (("silver_transactions", "gold_fact_sales"), ("gold_fact_sales", "silver_transactions")):
        assert query(root, f"select {line} from {one} except all select {line} from {other}") == []  # noqa: S608
    for table, column in MARTS.items():
        built = f"select {column}, {MEASURES} from gold_{table} group by 1"  # noqa: S608
        lines = f"select {PERIODS[column]}, {LINE_MEASURES} from silver_transactions {_of(table)} group by 1"  # noqa: S608
        assert query(root, f"({built} except {lines}) union all ({lines} except {built})") == [], table
        assert query(root, built)
    for table, key in (("dim_customers", "customer_key"), ("dim_products", "product_key"), ("dim_date", "date_key")):
        assert query(root, f"select * from gold_fact_sales anti join gold_{table} using ({key}) limit 1") == []  # noqa: S608
        assert query(root, f"select {key} from gold_{table} group by 1 having count(*) > 1 limit 1") == []  # noqa: S608
    cancelled = "select count(*), sum(amount) from silver_transactions where kind = 'cancellation'"
    assert query(root, "select count(*), sum(amount) from gold_fact_returns") == query(root, cancelled)
    unlinked = query(root, "select count(*) filter (not is_linked) from gold_fact_returns")
    assert query(root, "select sum(unlinked_return_lines)::bigint from gold_product_performance") == unlinked
    known = query(root, "select count(distinct customer_id) from silver_transactions")
    for table in ("daily", "weekly", "monthly"):
        assert query(root, f"select sum(new_customers)::bigint from gold_{table}_sales_summary") == known  # noqa: S608


def _of(table: str) -> str:
    """Return which lines a table is about."""
    return "where customer_id is not null" if table.startswith("customer_") else ""
