"""Columns that came undeclared are seen, proposed, and come to a patch."""

from __future__ import annotations

import datetime as dt

import pytest
import yaml

from lakehouse.errors import RequestError
from lakehouse.project import Lakehouse
from lakehouse.schema_changes.findings import drift_report
from lakehouse.schema_changes.proposal import as_yaml
from tests.lakehouse.cli.conftest import sales_of
from tests.lakehouse.schema_changes.drifted import COLUMNS, LAST, LATE, NEW, drifted_lake, drop, run_silver
from tests.scenario import csv_bytes

__all__ = ["drifted_lake"]


@pytest.fixture
def contracts(drifted_lake):
    """The contracts of the drifted lake."""
    return Lakehouse.open(drifted_lake).contracts


@pytest.fixture
def proposal(contracts, tmp_path):
    """The proposal for the drifted lake, as a file."""
    file = tmp_path / "proposal.yaml"
    file.write_text(as_yaml(contracts.propose()["transactions"], str(file)))
    return file


def test_every_difference_is_found_with_its_files(contracts):
    found = [column.as_data() for column in contracts.drift()]
    assert [(each["kind"], each["column"], each["was"], each["is"], each["samples"]) for each in found] == [
        ("new", "Channel", None, None, ["web"]),
        ("new", "TillNo", None, None, ["0"]),
        ("renamed", "InvoiceNo", "InvoiceNo", "invoiceno", []),
        ("retyped", "Quantity", "T.IntegerType", None, ["1.5"]),
    ]
    assert [each["files"] for each in found] == [[f"transactions/{day}.csv"] for day in (NEW, NEW, LAST, LAST)]
    assert contracts.drift("customers") == []


def test_a_lake_without_drift_has_nothing_to_propose(tmp_path):
    contracts = Lakehouse.open(tmp_path / "none").contracts
    assert (contracts.drift(), contracts.propose()) == ([], {})
    with pytest.raises(RequestError, match="no source is called nowhere"):
        contracts.propose("nowhere")


def test_a_proposal_has_what_one_needs_to_decide(proposal):
    found = yaml.safe_load(proposal.read_text())
    assert (found["source"], found["silver_table"]) == ("transactions", "silver.transactions")
    assert found["touches"][:3] == ["bronze.transactions", "silver.transactions", "gold.customer_days"]
    channel, till = found["columns"]
    assert (channel["files"], channel["rows"], channel["nulls"], channel["business_dates"]) == (1, 4, 2, 2)
    assert (channel["samples"], channel["type"], till["type"]) == (["web"], "text", "integer")
    assert channel["bronze"] == '"Channel"'
    assert till["silver"] == ('till_no: T.LongType = column("TillNo, as received", source="TillNo", nullable=True)')
    (retyped,) = found["retyped"]
    assert (retyped["column"], retyped["was"], retyped["looks_like"]) == ("Quantity", "T.IntegerType", "decimal")
    assert retyped["samples"] == ["1.5"]
    assert [(each["column"], each["is"]) for each in found["renamed"]] == [("InvoiceNo", "invoiceno")]


def test_a_column_whose_name_cannot_be_declared_stays_rescued_and_the_proposal_says_why(tmp_path):
    names = ["Shop.Id", 'Shop"Id"', "Shop`Id", "Shop Id"]
    lines = [{**line, **dict.fromkeys(names, "7")} for line in sales_of(NEW, 3)]
    drop(tmp_path, f"{NEW}.csv", csv_bytes(lines, COLUMNS + names))
    run_silver(tmp_path)
    proposal = Lakehouse.open(tmp_path).contracts.propose("transactions")["transactions"]
    assert proposal["columns"] == []
    assert [(each["column"], each["rows"]) for each in proposal["stay_rescued"]] == [(name, 3) for name in names]
    assert all("has none of these in its name" in each["why"] for each in proposal["stay_rescued"])


def test_a_few_values_that_cannot_be_read_are_no_drift_and_no_table_is_imported_for_them(tmp_path):
    few = [*sales_of(NEW, 30), *sales_of(NEW, 1, InvoiceNo="one", Quantity="six")]
    drop(tmp_path, f"{NEW}.csv", csv_bytes(few))
    run_silver(tmp_path)
    catalog = Lakehouse.open(tmp_path).catalog
    assert catalog.rows("SELECT rules FROM silver.quarantine") == [{"rules": ["quantity:readable"]}]
    assert drift_report(catalog, lambda: pytest.fail("imported")) == []


def test_accepting_is_a_patch_and_says_which_days_the_next_run_restates(contracts, proposal):
    change = contracts.accept(proposal, ["TillNo"])
    assert (change.source, change.columns, change.rows, change.files) == ("transactions", ["TillNo"], 4, 1)
    assert change.business_dates == [dt.date.fromisoformat(day) for day in (LATE, NEW)]
    assert '+            "TillNo",' in change.diff
    assert '+    till_no: T.LongType = column("TillNo, as received", source="TillNo", nullable=True)' in change.diff
    assert "Channel" not in change.diff


def test_columns_that_are_declared_and_that_bronze_has_come_to_nothing(contracts, proposal):
    file = proposal.with_name("country.yaml")
    file.write_text("source: transactions\ncolumns: [{column: Country, bronze: '\"Country\"'}]")
    change = contracts.accept(file)
    assert (change.diff, change.columns, change.business_dates, change.rows) == ("", [], [], 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("columns: [", "is no proposal"),
        ("[1, 2]", "is no proposal"),
        ("source: transactions\n", "no columns to accept"),
        ("source: nowhere\ncolumns: [{column: a, bronze: '\"a\"'}]", "no source is called nowhere"),
        ("source: transactions\ncolumns: [{column: a, bronze: 'print(1)'}]", "is no column"),
        ("source: transactions\ncolumns: [{column: a, bronze: '\"a\"', silver: x}]", "its silver_table is None"),
    ],
)
def test_what_is_no_sound_proposal_is_refused_with_a_sentence(contracts, tmp_path, text, said):
    file = tmp_path / "proposal.yaml"
    file.write_text(text)
    with pytest.raises(RequestError, match=said):
        contracts.accept(file)


def test_a_column_that_a_proposal_does_not_have_is_refused(contracts, proposal):
    with pytest.raises(RequestError, match="the proposal has columns Channel, TillNo, not Colour"):
        contracts.accept(proposal, ["Colour"])
