"""`lakehouse quarantine`: counts and rows."""

from __future__ import annotations

import json
import os

import pytest

from lakehouse.catalog.reader import Catalog
from tests.lakehouse.cli.conftest import lakehouse


def test_rejected_rows_are_counted_by_table_day_and_rule(ask):
    counts = ask("quarantine", "list", "--json").data
    assert [(c["table"], c["business_date"], c["rule"], c["verdict"], c["rows"]) for c in counts] == [
        ("silver.transactions", "2024-01-02", "quantity:readable", "published", 1),
        ("silver.transactions", "2024-01-02", "stock_code:not_null", "published", 1),
        ("silver.transactions", "2024-01-03", "quantity:readable", "held", 25),
    ]


def test_counts_are_narrowed_by_table_day_and_rule(ask):
    narrow = ["--table", "silver.transactions", "--day", "2024-01-02", "--rule", "quantity:readable"]
    assert [count["rows"] for count in ask("quarantine", "list", *narrow, "--json").data] == [1]
    assert ask("quarantine", "list", "--table", "silver.products").out == "No rejected rows.\n"


def test_a_rejected_row_is_shown_whole_with_the_way_back_to_its_file(ask):
    (row,) = ask("quarantine", "show", "--table", "silver.transactions", "--day", "2024-01-02", "--json").data
    assert (row["source_file"], row["source_record"]) == ("transactions/2024-01-02.csv", 4)
    assert sorted(row["rules"]) == ["quantity:readable", "stock_code:not_null"]
    assert row["offending_values"]["quantity"] == "many"
    assert json.loads(row["raw_record"])["InvoiceNo"] == "999999"


def test_rows_are_shown_for_people_up_to_a_limit(ask):
    shown = ask("quarantine", "show", "--table", "silver.transactions", "--day", "2024-01-03", "--limit", "3")
    assert shown.out.count("transactions/2024-01-03.csv record") == 3
    assert 'quantity = "x"' in shown.out


@pytest.mark.parametrize("command", [["list"], ["show"], ["discard", "--reason", "because"]])
def test_a_day_that_is_none_is_one_sentence_and_no_table_is_asked(ask, monkeypatch, command):
    monkeypatch.setattr(Catalog, "connect", None)
    refused = ask("quarantine", *command, "--day", "tomorrow")
    assert (refused.code, refused.err) == (1, "error: --day tomorrow: give a date like 2024-01-31\n")


def test_a_lake_without_tables_says_what_to_do(lake_root):
    refused = lakehouse(lake_root, "quarantine", "list")
    assert refused.code == 1
    assert "`lakehouse run` makes them" in refused.err


@pytest.mark.parametrize(
    "where",
    [
        "1=1) UNION SELECT 0 FROM quarantined_rows WHERE (1=1",
        "false) UNION ALL SELECT 99 WHERE (true",
        "true) OR (true",
        "Quantity = 'x', true",
        "Quantity = 'x' ORDER BY place",
        "true; SELECT 1",
        "Quantity::INTEGER = 1",
    ],
)
def test_what_is_not_one_condition_is_refused_in_a_sentence(ask, where):
    refused = ask("quarantine", "fix", "--where", where, "--set", "Quantity=1", "--reason", "because", "--dry-run")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith(f"error: --where {where}: ")
    assert "give one condition" in refused.err
    assert refused.err.count("\n") == 1


@pytest.mark.parametrize(
    "sets", [["Quantity=7", "Quantity=8"], ["quantity=7", "Quantity=8"], ["QUANTITY=7", "Quantity=7"]]
)
def test_two_values_for_one_column_are_refused(ask, sets):
    options = [option for each in sets for option in ("--set", each)]
    refused = ask("quarantine", "fix", "--table", "silver.transactions", *options, "--reason", "because", "--dry-run")
    assert (refused.code, refused.out) == (1, "")
    assert "Quantity is given twice; give one value for each column" in refused.err


@pytest.mark.parametrize("columns", ["Quantity,Quantity", "quantity,Quantity"])
def test_two_columns_of_a_file_for_one_column_are_refused(ask, tmp_path, columns):
    (row, *_) = ask("quarantine", "show", "--day", "2024-01-03", "--json").data
    fixes = tmp_path / "fixes.csv"
    fixes.write_text(f"id,{columns}\n{row['id']},7,8\n")
    refused = ask("quarantine", "fix", "--file", str(fixes), "--reason", "because", "--dry-run")
    assert (refused.code, refused.out) == (1, "")
    assert "Quantity is given twice; give one value for each column" in refused.err


DECISIONS = (
    ("fix", "--table", "silver.transactions", "--set", "Quantity=1"),
    ("discard", "--table", "silver.transactions"),
    ("release", "--table", "silver.transactions", "--day", "2024-01-03"),
)


@pytest.mark.parametrize("decision", DECISIONS)
@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (["--reason", ""], "error: --reason: say in a sentence why; it is kept with the decision\n"),
        (["--reason", " ", "--by", "ada"], "error: --reason: say in a sentence why; it is kept with the decision\n"),
        (["--reason", "because", "--by", " "], "error: --by: say who decides; it is kept with the decision\n"),
    ],
)
def test_a_decision_has_a_reason_and_somebody_who_takes_it(own_lake, decision, said, sentence):
    refused = lakehouse(own_lake, "quarantine", *decision, *said)
    assert (refused.code, refused.out, refused.err) == (1, "", sentence)
    assert not (own_lake / "system" / "decisions").exists()


@pytest.mark.parametrize("decision", DECISIONS)
def test_where_the_machine_has_no_name_for_its_user_one_is_asked_for(own_lake, monkeypatch, decision):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    refused = lakehouse(own_lake, "quarantine", *decision, "--reason", "because")
    assert (refused.code, refused.err) == (1, "error: --by: say who decides; it is kept with the decision\n")
    assert not (own_lake / "system" / "decisions").exists()


def test_an_error_is_json_where_json_is_asked_for(ask):
    sentence = "--day tomorrow: give a date like 2024-01-31"
    for order in (["--json", "--day", "tomorrow"], ["--day", "tomorrow", "--json"]):
        refused = ask("quarantine", "list", *order)
        assert (refused.code, refused.data, refused.err) == (1, {"error": sentence}, f"error: {sentence}\n")
    blank = ask("quarantine", "discard", "--reason", "", "--json")
    assert (blank.code, blank.data) == (1, {"error": "--reason: say in a sentence why; it is kept with the decision"})
    assert ask("quarantine", "list", "--day", "tomorrow").out == ""
