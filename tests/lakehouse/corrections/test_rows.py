"""Quarantined rows: which ones a selection means, from a table that is written here row by row."""

from __future__ import annotations

import datetime as dt
import json

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.catalog.reader import Catalog
from lakehouse.corrections.rows import Selection, count_rows, select_rows
from lakehouse.delta.system_tables import QUARANTINE
from lakehouse.errors import RequestError
from tests.scenario import sale

SECOND, THIRD = dt.date(2024, 1, 2), dt.date(2024, 1, 3)
HISTORY = ("status", "first_seen", "rules_version", "closed_by", "closed_why", "closed_at")


def rejected(record: int | None, raw: str | None = None, day: dt.date = THIRD, **changed) -> dict:
    """A row of the quarantine; an invoice line whose quantity is x, unless said otherwise."""
    return {
        "table_name": "silver.transactions",
        "business_date": day,
        "rules": ["quantity:readable"],
        "offending_values": '{"quantity": "x"}',
        "raw_record": json.dumps(sale(f"B{record}", Quantity="x")) if raw is None else raw,
        "source_file": f"transactions/{day}.csv",
        "source_version": "v1",
        "source_record": record,
        "verdict": "held" if day == THIRD else "published",
        "status": "open",
        **changed,
    }


ROWS = [
    rejected(4, day=SECOND, rules=["quantity:readable", "stock_code:not_null"]),
    *[rejected(record) for record in range(10, 15)],
    rejected(15, "1,2,3", rules=["record:fields"], offending_values="{}"),
    rejected(1, '{"customer_id": 8, "name": "Ada"}', table_name="silver.customers", rules=["segment:isin"]),
    rejected(9, status="replayed", closed_by="ada", closed_why="asked the shop"),
]


def catalog_of(root, rows=ROWS, without=()) -> Catalog:
    table = pa.Table.from_pylist(rows, schema=QUARANTINE.schema).drop_columns([*without])
    write_deltalake(root / "silver" / "quarantine", table, partition_by=[*QUARANTINE.partition_by])
    return Catalog(str(root))


@pytest.fixture
def catalog(lake_root) -> Catalog:
    return catalog_of(lake_root)


def records(catalog, **selection) -> list[int | None]:
    """The numbers of the selected records of invoice lines."""
    return [
        row.source_record
        for row in select_rows(catalog, Selection(**selection))
        if row.table_name == "silver.transactions"
    ]


def test_open_rows_are_counted_by_table_day_and_rule(catalog):
    counted = [(count.table, count.business_date, count.rule, count.rows) for count in count_rows(catalog, Selection())]
    assert counted == [
        ("silver.customers", THIRD, "segment:isin", 1),
        ("silver.transactions", SECOND, "quantity:readable", 1),
        ("silver.transactions", SECOND, "stock_code:not_null", 1),
        ("silver.transactions", THIRD, "quantity:readable", 5),
        ("silver.transactions", THIRD, "record:fields", 1),
    ]


def test_a_count_of_a_rule_leaves_out_the_other_rules_of_its_rows(catalog):
    counted = count_rows(catalog, Selection("silver.transactions", "2024-01-02", "quantity:readable"))
    assert [(count.rule, count.rows, count.verdict) for count in counted] == [("quantity:readable", 1, "published")]


def test_rows_are_selected_by_table_day_rule_and_status(catalog):
    assert records(catalog, day=SECOND) == records(catalog, day="2024-01-02") == [4]
    assert records(catalog, rule="record:fields") == [15]
    assert records(catalog, status="replayed") == [9]
    assert records(catalog, status="all", day=THIRD) == [9, 10, 11, 12, 13, 14, 15]
    assert select_rows(catalog, Selection("silver.products")) == []


def test_every_row_has_an_id_that_does_not_change_and_selects_it(catalog):
    ids = [row.id for row in select_rows(catalog, Selection())]
    assert len({*ids}) == 8
    assert [row.id for row in select_rows(catalog, Selection(ids=ids[2:4]))] == ids[2:4]
    with pytest.raises(RequestError, match="no open row has the id nobody"):
        select_rows(catalog, Selection(ids=[ids[0], "nobody"]))


def test_a_row_is_whole_and_knows_its_record(catalog):
    (row,) = select_rows(catalog, Selection(day=SECOND))
    assert (row.rules, row.offending_values) == (("quantity:readable", "stock_code:not_null"), {"quantity": "x"})
    assert row.received["InvoiceNo"] == "B4"
    assert row.position == "transactions/2024-01-02.csv record 4"
    assert row.record_id == (SECOND, "transactions/2024-01-02.csv", "v1", 4)


def test_a_record_that_could_not_be_read_has_no_columns(catalog):
    (row,) = select_rows(catalog, Selection(rule="record:fields"))
    assert (row.is_unread, row.received) == (True, {})


def test_a_condition_sees_the_quarantines_columns_and_those_received(catalog):
    where = "Quantity = 'x' AND InvoiceNo >= 'B13' AND list_contains(rules, 'quantity:readable')"
    assert records(catalog, where=where, sources=["InvoiceNo", "Quantity"]) == [4, 13, 14]


@pytest.mark.parametrize("name", ["Quantity", "quantity", "QUANTITY"])
def test_a_condition_finds_a_column_however_the_sources_spell_it(catalog, name):
    assert len(records(catalog, where=f"{name} = 'x'", sources=["Quantity", "quantity"])) == 6


def test_a_condition_sees_received_values_as_text(catalog):
    (row,) = select_rows(catalog, Selection(where="customer_id = '8'", sources=["customer_id"]))
    assert row.table_name == "silver.customers"


@pytest.mark.parametrize(
    "where",
    [
        "1=1) UNION SELECT 0 FROM quarantined_rows WHERE (1=1",
        "false) UNION ALL SELECT 99 WHERE (true",
        "true) OR (true",
        "Quantity = 'x', true",
        "Quantity = 'x' ORDER BY place",
        "true; SELECT 1",
        "true); DROP TABLE quarantined_rows; SELECT (1",
        "Quantity::INTEGER = 1",
        "nonsense = 1",
        "(SELECT count(*) FROM read_text('/etc/passwd')) > 0",
        "InvoiceNo =",
    ],
)
def test_what_is_not_one_condition_over_the_rows_is_refused(catalog, where):
    with pytest.raises(RequestError) as refused:
        select_rows(catalog, Selection(where=where, sources=["InvoiceNo", "Quantity"]))
    assert str(refused.value).startswith(f"the condition {where} cannot be evaluated: ")
    assert refused.value.hint.startswith("give one condition")
    assert "\n" not in str(refused.value)
    assert "root:" not in str(refused.value)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(day="tomorrow"), "tomorrow is no date like 2024-01-31"),
        (Selection(status="gone"), "there is no status gone"),
    ],
)
def test_a_selection_that_cannot_be_understood_is_refused_before_any_table_is_read(lake_root, selection, message):
    with pytest.raises(RequestError, match=message):
        select_rows(Catalog(str(lake_root)), selection)


def test_a_lake_without_tables_says_what_to_do(lake_root):
    with pytest.raises(RequestError, match="there are no tables under") as refused:
        count_rows(Catalog(str(lake_root)), Selection())
    assert refused.value.hint == "`lakehouse run` makes them"


def test_rows_from_before_there_was_a_history_are_open(lake_root):
    catalog = catalog_of(lake_root, ROWS[:2], without=HISTORY)
    assert [(row.status, row.closed_by) for row in select_rows(catalog, Selection())] == [("open", None)] * 2
