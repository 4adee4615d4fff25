"""What the UI shows of a table."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest

from lakehouse.delta.system_tables import QUARANTINE
from lakehouse.lineage.columns import Lineage
from lakehouse.orchestration import asset_metadata as catalogue
from lakehouse.orchestration.asset_factory import asset_key
from lakehouse.publication.audit import DayTally
from lakehouse.publication.publish import Publication, Waived
from lakehouse_assets.bronze.transactions import transactions as bronze_transactions
from lakehouse_assets.definitions import find_tables
from lakehouse_assets.silver.transactions import transactions
from tests.line import Line
from tests.scenario import day

TABLES = [table.full_name for table in find_tables()]


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """The definitions of every table, over an empty lake."""
    return Line(tmp_path_factory.mktemp("lake") / "landing", tables=TABLES)


def node(line, table):
    return line.defs.resolve_asset_graph().get(asset_key(table))


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_described_grouped_owned_and_of_a_kind(line, table):
    found = node(line, table)
    layer = table.split(".")[0]
    assert found.group_name == layer
    assert found.description
    assert found.owners == ["team:analytics" if layer == "gold" else "team:data-platform"]
    side = layer == "bronze" or table == "silver.quarantine"
    assert found.kinds == ({"deltalake"} if side else {"deltalake", "pyspark", "pandera"})


@pytest.mark.parametrize("table", TABLES)
def test_every_table_links_to_its_source_and_says_where_it_is(line, table):
    metadata = node(line, table).metadata
    (reference,) = metadata["dagster/code_references"].code_references
    assert Path(reference.file_path).as_posix().endswith(f"lakehouse_assets/{table.replace('.', '/')}.py")
    text = Path(reference.file_path).read_text(encoding="utf-8").splitlines()
    assert text[reference.line_number - 1].startswith(('"""', "@", "def "))
    assert metadata["dagster/table_name"] == table
    assert metadata["dagster/storage_kind"] == "deltalake"


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_shown_with_its_type(line, table):
    schema = node(line, table).metadata["dagster/column_schema"]
    assert all(column.type for column in schema.columns)
    if not table.startswith("bronze.") and table != "silver.quarantine":
        assert all(column.description for column in schema.columns)


def columns(line, table):
    return {column.name: column for column in node(line, table).metadata["dagster/column_schema"].columns}


def test_constraints_are_those_of_the_contract(line):
    found = columns(line, "silver.transactions")
    assert found["quantity"].type == "int"
    assert found["quantity"].constraints.nullable is False
    assert found["quantity"].constraints.other == ["-100,000 to 100,000"]
    assert found["customer_id"].constraints.nullable is True
    assert found["line_id"].constraints.unique is True
    assert columns(line, "silver.customers")["customer_id"].constraints.unique is False


def test_a_choice_is_shown_in_the_same_words_every_time(line):
    (kind,) = columns(line, "silver.transactions")["kind"].constraints.other
    assert kind == "one of sale, cancellation, bad_debt, adjustment"


def test_bronze_shows_the_sources_columns_and_what_its_own_mean(line):
    found = columns(line, "bronze.transactions")
    assert list(found)[:3] == ["InvoiceNo", "StockCode", "Description"]
    assert found["source_version"].description == "sha256 of the file's bytes"


def lineage_of(line, table):
    deps = node(line, table).metadata["dagster/column_lineage"].deps_by_column
    return {
        name: {f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in each} for name, each in deps.items()
    }


def test_columns_lead_back_to_those_they_are_computed_from(line):
    assert lineage_of(line, "bronze.transactions")["Quantity"] == {"landing/transactions.Quantity"}
    silver = lineage_of(line, "silver.transactions")
    assert silver["unit_price"] == {"bronze/transactions.UnitPrice"}
    assert silver["amount"] == {"bronze/transactions.Quantity", "bronze/transactions.UnitPrice"}
    gold = lineage_of(line, "gold.daily_sales_summary")
    assert gold["gross_sales"] == {"silver/transactions.amount", "silver/transactions.kind"}
    assert "lines" not in gold


def test_a_table_that_lineage_cannot_see_through_says_so_and_can_be_loaded():
    blind = dataclasses.replace(transactions, transform=lambda bronze_transactions: bronze_transactions.sample(0.5))
    told = catalogue.definition_metadata(blind, Lineage([blind, bronze_transactions]))
    assert told["column_lineage_unknown"] == "silver.transactions: the relation `sample` is not known to lineage"
    assert "dagster/column_lineage" not in told


def test_lineage_starts_at_the_landing_files(line):
    graph = line.defs.resolve_asset_graph()
    assert graph.get(asset_key("bronze.products")).parent_keys == {dg.AssetKey(["landing", "products"])}
    assert node(line, "landing.products").group_name == "landing"


def publication(**about):
    return Publication(
        tallies={day(1): DayTally(rows_in=10, published=8, rejected=2, rules=Counter({"a:b": 2}))}, **about
    )


def test_counts_of_a_partition_are_whole_numbers_to_plot():
    metadata = catalogue.published_metadata(publication(version=7), day(1))
    assert metadata == {
        "dagster/partition_row_count": 8,
        "delta_version": 7,
        "rows_in": 10,
        "rows_rejected": 2,
        "rows_duplicate": 0,
        "rows_superseded": 0,
        "rows_discarded": 0,
        "rows_late": 0,
        "rows_replayed": 0,
        "warnings": 0,
    }


def test_a_released_day_passes_and_says_who_why_and_what_it_would_be_held_for():
    waived = Waived("all 2 rows are rejected", "ada", "a holiday")
    verdict = catalogue.audited(publication(waived={day(1): waived}), day(1))
    assert verdict.passed
    assert verdict.description == "released by ada: a holiday (it would be held: all 2 rows are rejected)"
    named = ("released_by", "released_why", "would_be_held_for", "rows_in")
    assert [verdict.metadata[name] for name in named] == ["ada", "a holiday", "all 2 rows are rejected", 10]


def test_a_verdict_says_why_and_shows_rules_and_a_sample():
    row = {
        "table_name": "t",
        "business_date": day(1),
        "rules": ["a:b", "c:d"],
        "raw_record": "x" * 900,
        "source_file": "f.csv",
        "source_record": 3,
    }
    rejected = QUARANTINE.schema.empty_table().from_pylist([row] * 9, schema=QUARANTINE.schema)
    found = publication(held={day(1): "too many"}, rejected=[rejected.slice(0, 3), rejected.slice(3)])
    found.tallies[day(1)].rules = type(DayTally().rules)({"a:b": 9, "c:d": 9})
    verdict = catalogue.audited(found, day(1))
    assert (verdict.passed, verdict.description) == (False, "too many")
    assert [record.data for record in verdict.metadata["rejected_by_rule"].records] == [
        {"rule": "a:b", "rows": 9},
        {"rule": "c:d", "rows": 9},
    ]
    sample = verdict.metadata["rejected_sample"].records
    assert len(sample) == catalogue.SAMPLE_ROWS
    assert sample[0].data == {"file": "f.csv", "record": "3", "rules": "a:b, c:d", "received": "x" * 500}


def test_warnings_are_shown_by_rule_with_what_was_found_of_the_day():
    tally = DayTally(published=8, warned=Counter({"a:b": 3, "day:volume": 1}), findings={"day:volume": "8 rows"})
    verdict = catalogue.audited(Publication(tallies={day(1): tally}), day(1))
    assert (verdict.passed, verdict.metadata["warnings"]) == (True, 4)
    assert verdict.metadata["findings"] == "day:volume: 8 rows"
    assert [record.data for record in verdict.metadata["warned_by_rule"].records] == [
        {"rule": "a:b", "rows": 3},
        {"rule": "day:volume", "rows": 1},
    ]


def test_every_rule_is_shown_with_what_it_does_and_the_version_of_them_all(line):
    metadata = node(line, "silver.transactions").metadata
    rules = {record.data["rule"]: record.data for record in metadata["rules"].records}
    assert rules["row:sale_has_units"] == {
        "rule": "row:sale_has_units",
        "when broken": "reject",
        "what must hold": "a sale has units",
    }
    assert {rules[name]["when broken"] for name in ("customer_id:references", "day:volume")} == {"warn"}
    assert metadata["rules_version"] == transactions.terms.rules_version


def test_a_clean_day_passes_with_a_sentence():
    verdict = catalogue.audited(Publication(tallies={day(1): DayTally(published=8)}), day(1))
    assert (verdict.passed, verdict.description, verdict.metadata) == (True, "8 rows published, 0 rejected", {})


def landing_file(**about):
    return {"source_file": "f", "outcome": "ingested", "records": 10, "rejected_records": 0, **about}


@pytest.mark.parametrize(
    ("files", "passed"),
    [
        ([], True),
        ([landing_file()], True),
        ([landing_file(), landing_file(rejected_records=1)], False),
        ([landing_file(), landing_file(outcome="refused", records=0)], False),
        ([landing_file(outcome="copy", rejected_records=0)], True),
    ],
)
def test_landing_files_are_readable_if_every_record_is(files, passed):
    assert catalogue.readable(files).passed is passed


def test_unreadable_files_are_counted_and_named():
    verdict = catalogue.readable([landing_file(rejected_records=2), landing_file(outcome="refused", source_file="g")])
    assert verdict.description == "2 files, 20 records, 2 unreadable, 1 files refused"
    assert verdict.metadata["refused_files"].value == ["g"]


def test_an_ingestion_shows_the_files_of_a_day():
    from lakehouse.ingestion.batches import Ingested

    files = [
        {"source_file": "a", "business_dates": [day(1)], "drift": None},
        {"source_file": "b", "business_dates": [day(2)], "drift": None},
    ]
    ingested = Ingested(rows={day(1): 5}, files=files, version=3)
    metadata = catalogue.ingested_metadata(ingested, day(1))
    assert (metadata["files"].value, metadata["delta_version"]) == (["a"], 3)
    assert "files" not in catalogue.ingested_metadata(ingested, dt.date(2011, 5, 1))
