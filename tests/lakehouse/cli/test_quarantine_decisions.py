"""`lakehouse quarantine`: rows are explained, fixed, replayed, discarded; held days are released."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from deltalake import DeltaTable, write_deltalake
from filelock import FileLock

from tests.frames import movement
from tests.lakehouse.cli.conftest import lakehouse, land, sales_of
from tests.lakehouse.cli.test_demo import versions
from tests.scenario import csv_bytes, customer, jsonl_bytes

SECOND = ("--table", "silver.transactions", "--day", "2024-01-02")
HELD = ("--table", "silver.transactions", "--day", "2024-01-03")
WHY = ("--reason", "asked the shop", "--by", "ada")


def quarantine(root, *arguments):
    return lakehouse(root, "quarantine", *arguments)


def rows(root, *arguments):
    return quarantine(root, "show", "--limit", "100", "--json", *arguments).data


def query(root, sql):
    return lakehouse(root, "query", "--json", sql).data


def adds_up(root) -> bool:
    return lakehouse(root, "reconcile", "--json").data["imbalances"] == []


def test_every_row_has_an_id_that_does_not_change(small_lake):
    ids = [row["id"] for row in rows(small_lake.root)]
    assert len({*ids}) == 26
    assert [row["id"] for row in rows(small_lake.root)] == ids


def test_a_row_is_explained_with_what_each_rule_asks(ask):
    (row,) = ask("quarantine", "show", *SECOND, "--json").data
    told = ask("quarantine", "explain", row["id"], "--json").data
    assert {rule["rule"]: rule["value"] for rule in told["rules"]} == {
        "quantity:readable": "many",
        "stock_code:not_null": None,
    }
    assert {rule["reason"] for rule in told["rules"]} == {"quantity can be read as int", "stock_code is given"}
    assert told["received"]["InvoiceNo"] == "999999"
    assert (told["status"], told["decisions"]) == ("open", [])
    shown = ask("quarantine", "explain", row["id"]).out
    assert 'quantity:readable  must hold: quantity can be read as int, but it is "many"' in shown
    assert f"`lakehouse quarantine fix --id {row['id']}" in shown


def test_a_fixed_row_is_replayed_once_and_gold_follows(own_lake):
    (row,) = rows(own_lake, *SECOND)
    fixed = quarantine(
        own_lake, "fix", *SECOND, "--set", "Quantity=3", "--set", "stock_code=85123A", *WHY, "--json"
    ).data
    assert [(each["id"], each["passes"], each["corrected"]) for each in fixed["fixes"]] == [
        (row["id"], True, {"Quantity": "3", "StockCode": "85123A"})
    ]
    before = query(own_lake, "SELECT lines FROM gold.daily_sales_summary WHERE business_date = '2024-01-02'")
    replayed = quarantine(own_lake, "replay", "--json").data
    after = query(own_lake, "SELECT lines FROM gold.daily_sales_summary WHERE business_date = '2024-01-02'")
    assert (replayed["rows"], replayed["partitions"]) == (1, {"silver.transactions": ["2024-01-02"]})
    assert (before, after) == ([{"lines": 2}], [{"lines": 3}])
    assert adds_up(own_lake)
    (closed,) = rows(own_lake, *SECOND, "--status", "replayed")
    assert (closed["closed_by"], closed["closed_why"]) == ("ada", "asked the shop")
    (told,) = quarantine(own_lake, "explain", row["id"], "--json").data["decisions"]
    assert (told["action"], told["decided_by"]) == ("fix", "ada")
    made = versions(own_lake)
    again = quarantine(own_lake, "replay")
    assert "0 rows" in again.out
    assert versions(own_lake) == made


def test_a_fix_after_which_a_row_would_not_pass_is_not_kept(own_lake):
    refused = quarantine(own_lake, "fix", *SECOND, "--set", "Quantity=3", *WHY)
    assert refused.code == 1
    assert "still break stock_code:not_null" in refused.out
    assert not (own_lake / "system" / "decisions").exists()


def test_a_dry_run_keeps_nothing(own_lake):
    tried = quarantine(own_lake, "fix", *HELD, "--set", "Quantity=1", *WHY, "--dry-run")
    assert (tried.code, "25 of 25 rows would pass; nothing is kept" in tried.out) == (0, True)
    assert not (own_lake / "system" / "decisions").exists()


def test_rows_are_chosen_by_a_condition_over_what_was_received(own_lake):
    where = "Quantity = 'x' AND InvoiceNo >= 'B030020' AND list_contains(rules, 'quantity:readable')"
    found = quarantine(own_lake, "fix", "--where", where, "--set", "Quantity=1", *WHY, "--dry-run", "--json").data
    assert len(found["fixes"]) == 5


def test_a_condition_sees_the_values_of_unreadable_records_as_text(own_lake):
    (own_lake / "landing" / "customers").mkdir()
    twice = b'{"customer_id": 7, "customer_id": 8, "name": "Ada"}\n'
    stranger = jsonl_bytes([customer(9, "2024-01-01T09:00:00Z", segment="unheard of")])
    (own_lake / "landing" / "customers" / "2024-01-01.jsonl").write_bytes(twice + stranger)
    lakehouse(own_lake, "run")
    where = ("--where", "customer_id = '8'", "--set", "name=Ada")
    refused = quarantine(own_lake, "fix", *where, *WHY)
    assert "could not be read, so that a fix must give every column" in refused.err


def test_a_condition_finds_a_column_however_the_sources_spell_it(own_lake):
    file = own_lake / "landing" / "inventory" / "2024-01-02.csv"
    file.parent.mkdir(parents=True)
    file.write_bytes(csv_bytes([movement("m-1", "2024-01-02 07:00:00", quantity="x")], movement("")))
    assert lakehouse(own_lake, "run").code == 3
    fixes = ("--set", "quantity=1", *WHY, "--dry-run", "--json")
    found = {
        name: quarantine(own_lake, "fix", "--where", f"{name} = 'x'", *fixes).data["fixes"]
        for name in ("Quantity", "quantity")
    }
    assert len(found["Quantity"]) == len(found["quantity"]) == 26
    assert {each["source_file"] for each in found["quantity"]} == {
        "inventory/2024-01-02.csv",
        "transactions/2024-01-03.csv",
    }


@pytest.mark.parametrize(
    "where",
    [
        "true); DROP TABLE quarantined_rows; SELECT (1",
        "nonsense = 1",
        "(SELECT count(*) FROM read_text('/etc/passwd')) > 0",
        "InvoiceNo =",
    ],
)
def test_a_condition_that_is_none_or_reaches_for_files_is_refused_in_a_sentence(small_lake, where):
    refused = quarantine(small_lake.root, "fix", "--where", where, "--set", "Quantity=1", *WHY)
    assert (refused.code, refused.err.startswith("error: --where")) == (1, True)
    assert "root:" not in refused.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "Quantity=1"], "say which rows"),
        (["--id", "nobody", "--set", "Quantity=1"], "no open row has the id nobody"),
        ([*SECOND, "--set", "Weight=1"], "silver.transactions receives no column Weight"),
        ([*SECOND, "--set", "Quantity"], "give column=value"),
        ([*SECOND], "either --set column=value, or --file"),
        (["--day", "tomorrow", "--set", "Quantity=1"], "give a date like 2024-01-31"),
    ],
)
def test_what_cannot_be_fixed_is_told_in_a_sentence(small_lake, arguments, sentence):
    refused = quarantine(small_lake.root, "fix", *arguments, *WHY)
    assert refused.code == 1
    assert sentence in refused.err


def test_a_file_of_fixes_names_rows_by_id_or_by_file_and_record(own_lake, tmp_path):
    (first, second, *_) = rows(own_lake, *HELD)
    fixes = tmp_path / "fixes.csv"
    fixes.write_text(
        "id,source_file,source_record,Quantity,Country\n"
        f"{first['id']},,,2,\n"
        f",{second['source_file']},{second['source_record']},3,France\n"
    )
    found = quarantine(own_lake, "fix", "--file", str(fixes), *WHY, "--json").data
    assert found["kept"] == 2
    assert [each["corrected"] for each in found["fixes"]] == [
        {"Quantity": "2"},
        {"Quantity": "3", "Country": "France"},
    ]
    fixes.write_text("id,Quantity\nnobody,2\n")
    refused = quarantine(own_lake, "fix", "--file", str(fixes), *WHY)
    assert "line 2: no open row is nobody" in refused.err


def test_a_record_that_could_not_be_read_needs_every_column(own_lake):
    path = own_lake / "landing" / "transactions" / "2024-01-01.csv"
    path.write_bytes(path.read_bytes() + b"1,2,3\n")
    assert lakehouse(own_lake, "run").code == 3
    refused = quarantine(own_lake, "fix", "--rule", "record:fields", "--set", "Quantity=1", *WHY)
    assert "could not be read, so that a fix must give every column; missing: InvoiceNo" in refused.err
    (row,) = rows(own_lake, "--rule", "record:fields")
    told = quarantine(own_lake, "explain", row["id"], "--json").data
    assert told["received"] == "1,2,3"
    assert told["rules"][0]["reason"].startswith("the landing reader could not read the record: fields: 3")
    line = sales_of("2024-01-01", 9)[-1]
    sets = [word for name, value in line.items() for word in ("--set", f"{name}={value}")]
    assert quarantine(own_lake, "fix", "--rule", "record:fields", *sets, *WHY).code == 0
    assert quarantine(own_lake, "replay", "--day", "2024-01-01", "--json").data["rows"] == 1
    assert query(own_lake, "SELECT count(*) AS n FROM silver.transactions WHERE business_date = '2024-01-01'") == [
        {"n": 4}
    ]


def test_a_discarded_row_is_counted_and_open_no_more(own_lake):
    done = quarantine(own_lake, "discard", *SECOND, *WHY, "--json").data
    assert (done["rows"], done["partitions"]) == (1, {"silver.transactions": ["2024-01-02"]})
    assert rows(own_lake, *SECOND) == []
    assert adds_up(own_lake)
    line = "SELECT rows_in, published, discarded FROM system.row_ledger WHERE business_date = '2024-01-02' "
    (newest,) = query(own_lake, line + "AND table_name = 'silver.transactions' ORDER BY recorded_at DESC LIMIT 1")
    assert newest == {"rows_in": 4, "published": 2, "discarded": 1}


def test_a_refused_file_is_explained_and_can_only_be_discarded_or_sent_again(own_lake):
    (own_lake / "landing" / "transactions" / "2024-01-05.csv").write_bytes(b"no,such,header\n1,2,3\n")
    assert lakehouse(own_lake, "run").code == 3
    (row,) = rows(own_lake, "--rule", "file:header")
    shown = quarantine(own_lake, "explain", row["id"]).out
    assert "the landing reader refused the whole file: file:header" in shown
    assert "A corrected file of the same name replaces it" in shown
    refused = quarantine(own_lake, "fix", "--id", row["id"], "--set", "Quantity=1", *WHY)
    assert (refused.code, "was refused as a whole" in refused.err) == (1, True)
    assert quarantine(own_lake, "discard", "--id", row["id"], *WHY).code == 0
    assert [day["business_date"] for day in lakehouse(own_lake, "status", "--json").data["held"]] == ["2024-01-03"]
    assert adds_up(own_lake)


def test_a_released_day_is_published_and_lapses_with_new_data(own_lake):
    done = quarantine(own_lake, "release", *HELD, *WHY)
    assert (done.code, "2024-01-03 is published, by the decision of ada" in done.out) == (0, True)
    assert lakehouse(own_lake, "status", "--json").data["held"] == []
    assert query(own_lake, "SELECT lines FROM gold.daily_sales_summary WHERE business_date = '2024-01-03'") == [
        {"lines": 5}
    ]
    assert len(rows(own_lake, *HELD)) == 25
    assert adds_up(own_lake)
    refused = quarantine(own_lake, "release", *HELD, *WHY)
    assert (refused.code, "is not held" in refused.err) == (1, True)
    land(own_lake, "2024-01-03-more.csv", sales_of("2024-01-03", 1, InvoiceNo="77"))
    assert lakehouse(own_lake, "run").code == 3
    assert [day["business_date"] for day in lakehouse(own_lake, "status", "--json").data["held"]] == ["2024-01-03"]


def test_a_day_mended_row_by_row_is_published_by_its_replay(own_lake):
    quarantine(own_lake, "fix", *HELD, "--set", "Quantity=1", *WHY)
    done = quarantine(own_lake, "replay", *HELD, "--json")
    assert (done.code, done.data["rows"], done.data["held"]) == (0, 25, [])
    assert adds_up(own_lake)


def test_a_corrected_file_makes_fixes_moot_and_rows_superseded(own_lake):
    quarantine(own_lake, "fix", *SECOND, "--set", "Quantity=3", "--set", "StockCode=1", *WHY)
    land(own_lake, "2024-01-02.csv", sales_of("2024-01-02", 4))
    assert lakehouse(own_lake, "run").code == 3
    (row,) = rows(own_lake, *SECOND, "--status", "all")
    assert (row["status"], row["closed_by"]) == ("superseded", "source")
    assert quarantine(own_lake, "replay", *SECOND).out.startswith("0 rows")


def test_beside_another_run_nothing_is_replayed(own_lake):
    quarantine(own_lake, "fix", *SECOND, "--set", "Quantity=3", "--set", "StockCode=1", *WHY)
    with FileLock(own_lake / "dagster" / ".drain.lock"):
        for command in (["replay"], ["discard", *SECOND, *WHY], ["release", *HELD, *WHY]):
            refused = quarantine(own_lake, *command)
            assert (refused.code, "wait until it has finished" in refused.err) == (1, True)
    assert len(query(own_lake, "FROM system.decisions")) == 1


def test_tables_of_before_rows_had_a_history_are_read_and_widened(own_lake):
    for name, lost in (
        ("silver/quarantine", ["status", "first_seen", "rules_version", "closed_by", "closed_why", "closed_at"]),
        ("system/row_ledger", ["discarded", "late", "replayed", "warned", "rules_version"]),
    ):
        location = own_lake / name
        opened = DeltaTable(location)
        by = opened.metadata().partition_columns
        old = opened.to_pyarrow_table().drop_columns(lost)
        shutil.rmtree(location)
        write_deltalake(location, old, partition_by=by)
    assert len(rows(own_lake)) == 26
    assert lakehouse(own_lake, "status", "--json").code == 0
    assert adds_up(own_lake)
    quarantine(own_lake, "discard", *SECOND, *WHY)
    assert len(rows(own_lake)) == 25
    assert json.loads(quarantine(own_lake, "list", "--status", "all", "--json").out)
    assert adds_up(own_lake)


def dies(root, place, *arguments):
    """Run the command in a process of its own, which is gone as soon as it comes to a place in the code."""
    module, _, function = place.rpartition(".")
    program = f"""
import os, sys
import {module}
{module}.{function} = lambda *_args, **_about: os._exit(9)
import lakehouse.cli.main
sys.argv = ["lakehouse", *{[*arguments]!r}]
lakehouse.cli.main.main()
"""
    environment = {**os.environ, "LAKEHOUSE_ROOT": str(root), "LAKEHOUSE_LANDING": f"{root}/landing"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 9, done.stderr


def lines_of(root, day):
    """Return how many lines silver and gold have of a day."""
    silver = query(root, f"SELECT count(*) AS n FROM silver.transactions WHERE business_date = '{day}'")  # noqa: S608
    gold = query(root, f"SELECT sum(lines) AS n FROM gold.daily_sales_summary WHERE business_date = '{day}'")  # noqa: S608
    return silver[0]["n"], gold[0]["n"]


@pytest.mark.parametrize(
    ("place", "completed_by"),
    [
        ("lakehouse.publication.publish._write_quarantine", ("run",)),
        pytest.param("lakehouse.publication.publish.write_ledger", ("run",), marks=pytest.mark.long),
        pytest.param("lakehouse.orchestration.asset_factory._report_published", ("run",), marks=pytest.mark.long),
        pytest.param("lakehouse.orchestration.asset_factory.publish_derived", ("run",), marks=pytest.mark.long),
        ("lakehouse.orchestration.asset_factory._report_published", ("quarantine", "replay")),
    ],
)
def test_a_replay_that_dies_after_silvers_commit_is_completed(own_lake, place, completed_by):
    quarantine(own_lake, "fix", *SECOND, "--set", "Quantity=3", "--set", "StockCode=85123A", *WHY)
    dies(own_lake, place, "quarantine", "replay")
    assert lines_of(own_lake, "2024-01-02") == (3, 2)
    assert lakehouse(own_lake, *completed_by).code in {0, 3}
    assert lines_of(own_lake, "2024-01-02") == (3, 3)
    assert [row["status"] for row in rows(own_lake, *SECOND, "--status", "all")] == ["replayed"]
    assert lakehouse(own_lake, "reconcile", "--strict").code == 0
    made = versions(own_lake)
    assert quarantine(own_lake, "replay").out.startswith("0 rows")
    assert versions(own_lake) == made


@pytest.mark.parametrize(
    "place", ["lakehouse.cli.quarantine_replay.record_decisions", "lakehouse.orchestration.runner._fail_orphaned_runs"]
)
def test_a_release_that_dies_with_its_decision_is_completed_if_it_was_taken(own_lake, place):
    dies(own_lake, place, "quarantine", "release", *HELD, *WHY)
    taken = place == "lakehouse.orchestration.runner._fail_orphaned_runs"
    assert lakehouse(own_lake, "run").code == (0 if taken else 3)
    assert lines_of(own_lake, "2024-01-03") == ((5, 5) if taken else (0, None))
    assert lakehouse(own_lake, "reconcile", "--strict").code == 0
    assert lakehouse(own_lake, "run", "--json").data["runs"] == []


def test_a_release_is_of_what_was_judged_and_not_of_what_has_arrived_since(own_lake):
    land(own_lake, "2024-01-03-more.csv", sales_of("2024-01-03", 1, InvoiceNo="77"))
    dies(own_lake, "lakehouse.orchestration.asset_factory.publish_received", "run")
    refused = quarantine(own_lake, "release", *HELD, *WHY)
    assert (refused.code, "more has arrived for silver.transactions 2024-01-03" in refused.err) == (1, True)
    assert not (own_lake / "system" / "decisions").exists()
    assert lakehouse(own_lake, "run").code == 3
    assert quarantine(own_lake, "release", *HELD, *WHY).code == 0
    assert lines_of(own_lake, "2024-01-03") == (6, 6)
    (kept,) = query(own_lake, "SELECT would_publish, length(rules_version) AS version FROM system.decisions")
    assert kept == {"would_publish": 6, "version": 12}
