"""`lakehouse quarantine`: what its commands read, print and leave with.

What they do is tested in ``tests/lakehouse/corrections``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lakehouse.cli.conftest import Answer, lakehouse
from tests.lakehouse.cli.test_demo import versions
from tests.thin_project import land, land_three_days, lines_of, write_thin_project

SECOND = ("--table", "silver.transactions", "--day", "2024-01-02")
HELD = ("--table", "silver.transactions", "--day", "2024-01-03")
WHY = ("--reason", "asked the shop", "--by", "ada")
WHOLE = ("--set", "Quantity=3", "--set", "StockCode=85123A")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return write_thin_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(autouse=True)
def in_project(project, monkeypatch) -> None:
    """Run every command in the thin project."""
    monkeypatch.chdir(project)


@pytest.fixture(scope="module")
def made_root(project, tmp_path_factory) -> Path:
    """The lake that the first run made."""
    root = tmp_path_factory.mktemp("rejected") / "lake"
    land_three_days(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        assert lakehouse(root, "run").code == 3
    return root


@pytest.fixture
def own_root(made_root, lake_root) -> Path:
    """A copy of it that a test may change."""
    shutil.copytree(made_root, lake_root)
    return lake_root


def quarantine(root: Path, *arguments: str) -> Answer:
    return lakehouse(root, "quarantine", *arguments)


def rows(root: Path, *arguments: str) -> list[dict]:
    return quarantine(root, "show", "--limit", "100", "--json", *arguments).data


def sentence_of(refused: Answer) -> str:
    """The sentence of a command that was refused: the only thing it prints."""
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("error: ")
    assert refused.err.count("\n") == 1
    return refused.err.removeprefix("error: ").removesuffix("\n")


# List and show


def test_rejected_rows_are_counted_by_table_day_and_rule(made_root):
    counts = quarantine(made_root, "list", "--json").data
    assert counts[0] == {
        "table": "silver.transactions",
        "business_date": "2024-01-02",
        "rule": "quantity:readable",
        "verdict": "published",
        "status": "open",
        "rows": 1,
    }
    assert [count["rows"] for count in counts] == [1, 1, 25]
    shown = quarantine(made_root, "list", "--rule", "quantity:readable").out
    assert [line.split() for line in shown.splitlines()[3:5]] == [
        ["silver.transactions", "2024-01-02", "quantity:readable", "published", "1"],
        ["silver.transactions", "2024-01-03", "quantity:readable", "held", "25"],
    ]
    assert quarantine(made_root, "list", "--table", "silver.products").out == "No rejected rows.\n"


def test_a_rejected_row_is_shown_whole_with_the_way_back_to_its_file(made_root):
    (row,) = rows(made_root, *SECOND)
    assert (row["source_file"], row["source_record"]) == ("transactions/2024-01-02.csv", 4)
    assert sorted(row["rules"]) == ["quantity:readable", "stock_code:not_null"]
    assert row["offending_values"]["quantity"] == "many"
    assert json.loads(row["raw_record"])["InvoiceNo"] == "999999"
    assert [*row][-2:] == ["closed_at", "id"]


def test_rows_are_shown_for_people_up_to_a_limit(made_root):
    shown = quarantine(made_root, "show", *HELD, "--limit", "3")
    assert shown.out.count("transactions/2024-01-03.csv record") == 3
    assert 'quantity = "x"' in shown.out
    assert shown.err == "3 of 25 rows; --limit shows more.\n"
    assert quarantine(made_root, "show", "--table", "silver.products").out == "No rejected rows of silver.products.\n"


def test_an_error_is_json_where_json_is_wanted(made_root):
    sentence = "tomorrow is no date like 2024-01-31"
    for order in (["--json", "--day", "tomorrow"], ["--day", "tomorrow", "--json"]):
        refused = quarantine(made_root, "list", *order)
        assert (refused.code, refused.data, refused.err) == (1, {"error": sentence}, f"error: {sentence}\n")
    assert sentence_of(quarantine(made_root, "show", "--day", "tomorrow")) == sentence


# Explain


def test_a_row_is_explained_with_what_each_rule_demands(made_root):
    (row,) = rows(made_root, *SECOND)
    found = quarantine(made_root, "explain", row["id"], "--json").data
    assert {rule["rule"]: rule["value"] for rule in found["rules"]} == {
        "quantity:readable": "many",
        "stock_code:not_null": None,
    }
    assert found["received"]["InvoiceNo"] == "999999"
    assert (found["id"], found["status"], found["closed"], found["decisions"]) == (row["id"], "open", None, [])
    shown = quarantine(made_root, "explain", row["id"]).out
    assert 'quantity:readable  must hold: quantity can be read as int, but it is "many"' in shown
    assert f"`lakehouse quarantine fix --id {row['id']} --set " in shown
    assert "--set quantity=… " in shown


def test_a_closed_row_is_explained_with_who_decided_and_why(own_root):
    (row,) = rows(own_root, *SECOND)
    quarantine(own_root, "discard", "--id", row["id"], *WHY)
    found = quarantine(own_root, "explain", row["id"], "--json").data
    assert (found["closed"]["by"], found["closed"]["why"]) == ("ada", "asked the shop")
    assert [[*each] for each in found["decisions"]] == [["action", "corrected", "reason", "decided_by", "decided_at"]]
    shown = quarantine(own_root, "explain", row["id"]).out
    assert "ada: discard (asked the shop)" in shown
    assert "discarded by ada at 20" in shown
    assert sentence_of(quarantine(own_root, "explain", "nobody")).startswith("no row has the id nobody")


# Fix


def test_fixes_are_kept_or_only_shown(own_root):
    (row,) = rows(own_root, *SECOND)
    tried = quarantine(own_root, "fix", *SECOND, *WHOLE, *WHY, "--dry-run")
    assert (tried.code, "1 of 1 row would pass; nothing is kept (--dry-run)." in tried.out) == (0, True)
    assert not (own_root / "system" / "decisions").exists()
    fixed = quarantine(own_root, "fix", "--where", "Quantity = 'many'", *WHOLE, *WHY, "--json")
    assert fixed.data["kept"] == 1
    assert fixed.data["fixes"] == [
        {
            "id": row["id"],
            "table": "silver.transactions",
            "business_date": "2024-01-02",
            "source_file": "transactions/2024-01-02.csv",
            "source_record": 4,
            "corrected": {"Quantity": "3", "StockCode": "85123A"},
            "passes": True,
            "rules": [],
        }
    ]


def test_a_fix_after_which_a_row_would_not_pass_fails(own_root):
    refused = quarantine(own_root, "fix", *SECOND, "--set", "Quantity=3", *WHY)
    assert refused.code == 1
    assert "still break stock_code:not_null" in refused.out
    assert "No row would pass, and nothing is kept." in refused.out
    assert not (own_root / "system" / "decisions").exists()


def test_a_file_of_fixes_is_read(own_root, tmp_path):
    (row,) = rows(own_root, *SECOND)
    fixes = tmp_path / "fixes.csv"
    fixes.write_text(f"id,Quantity,StockCode,Country\n{row['id']},2,85123A,\n")
    found = quarantine(own_root, "fix", "--file", str(fixes), *WHY, "--json").data
    assert (found["kept"], found["fixes"][0]["corrected"]) == (1, {"Quantity": "2", "StockCode": "85123A"})
    fixes.write_text("id,Quantity\nnobody,2\n")
    refused = sentence_of(quarantine(own_root, "fix", "--file", str(fixes), *WHY))
    assert refused == f"{fixes} line 2: no open row is nobody; `lakehouse quarantine show` lists them"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "Quantity=1"], "nothing says which rows are meant"),
        ([*SECOND, "--set", "Quantity"], "--set Quantity: give column=value, such as Quantity=6"),
        ([*SECOND, "--set", "Quantity=7", "--set", "Quantity=8"], "--set: Quantity is given twice"),
        ([*SECOND], "either --set column=value, or --file"),
        ([*SECOND, "--set", "Quantity=7", "--file", "fixes.csv"], "either --set column=value, or --file"),
        (["--where", "InvoiceNo =", "--set", "Quantity=1"], "the condition InvoiceNo = cannot be evaluated"),
    ],
)
def test_what_cannot_be_fixed_is_one_sentence(made_root, arguments, sentence):
    assert sentence in sentence_of(quarantine(made_root, "fix", *arguments, *WHY))


DECISIONS = (
    ("fix", *SECOND, "--set", "Quantity=1"),
    ("discard", *SECOND),
    ("release", *HELD),
)


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_decision_without_a_reason_or_anybody_who_takes_it_is_refused(made_root, decision, monkeypatch):
    assert sentence_of(quarantine(made_root, *decision, "--reason", " ", "--by", "ada")).startswith(
        "a decision needs a reason"
    )
    anonymous = "a decision needs somebody who takes it; say who; it is kept with the decision"
    assert sentence_of(quarantine(made_root, *decision, "--reason", "because", "--by", " ")) == anonymous
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert sentence_of(quarantine(made_root, *decision, "--reason", "because")) == anonymous
    assert not (made_root / "system" / "decisions").exists()


def test_the_user_of_the_machine_decides_unless_somebody_is_named(own_root, monkeypatch):
    monkeypatch.setenv("LOGNAME", "grace")
    quarantine(own_root, "discard", *SECOND, "--reason", "because")
    assert [row["closed_by"] for row in rows(own_root, *SECOND, "--status", "all")] == ["grace"]


# Replay, discard and release


def test_a_replay_says_what_became_of_rows(own_root):
    quarantine(own_root, "fix", *SECOND, *WHOLE, *WHY)
    replayed = quarantine(own_root, "replay", "--json")
    assert replayed.code == 0
    about = {name: replayed.data[name] for name in ("rows", "closed", "partitions", "held", "errors")}
    assert about == {
        "rows": 1,
        "closed": {"replayed": 1},
        "partitions": {"silver.transactions": ["2024-01-02"]},
        "held": [],
        "errors": [],
    }
    assert replayed.data["runs"]
    again = quarantine(own_root, "replay")
    nothing = "0 rows: of 25 open rows none would pass; `lakehouse quarantine fix` corrects them.\n"
    assert (again.code, again.out) == (0, nothing)
    assert quarantine(own_root, "replay", *SECOND).out == "0 rows: nothing is open.\n"
    assert quarantine(own_root, "replay", *SECOND, "--json").data == {
        **about,
        "rows": 0,
        "closed": {},
        "partitions": {},
        "runs": [],
    }


def test_a_replay_of_a_day_that_is_still_held_says_so(own_root):
    ids = [row["id"] for row in rows(own_root, *HELD)][:2]
    quarantine(own_root, "fix", "--id", ids[0], "--id", ids[1], "--set", "Quantity=1", *WHY)
    replayed = quarantine(own_root, "replay")
    assert replayed.code == 3
    assert replayed.out.startswith("2 rows replayed; 1 day computed again, in 1 run.\n")
    assert "23 of 30 rows are rejected" in replayed.out


def test_a_discard_says_what_became_of_rows(own_root):
    discarded = quarantine(own_root, "discard", *SECOND, *WHY)
    assert (discarded.code, discarded.out.startswith("1 row discarded; 1 day computed again, in ")) == (0, True)
    assert "no open row is meant by that" in sentence_of(quarantine(own_root, "discard", *SECOND, *WHY))


def test_a_released_day_is_published(own_root):
    released = quarantine(own_root, "release", *HELD, *WHY)
    assert released.out == "silver.transactions 2024-01-03 is published, by the decision of ada.\n"
    assert released.code == 0
    assert lakehouse(own_root, "status", "--json").data["held"] == []
    assert "is not held" in sentence_of(quarantine(own_root, "release", *HELD, *WHY))


# Interruptions


def dies(root: Path, place: str, *arguments: str) -> None:
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
    repository = str(Path(__file__).parents[3])
    environment = {
        **os.environ,
        "LAKEHOUSE_ROOT": str(root),
        "LAKEHOUSE_LANDING": f"{root}/landing",
        "PYTHONPATH": repository,
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 9, done.stderr


def query(root: Path, sql: str) -> list[dict]:
    return lakehouse(root, "query", "--json", sql).data


def line_counts(root: Path, day: str) -> tuple[int, int | None]:
    """How many lines silver and gold have of a day."""
    silver = query(root, f"SELECT count(*) AS n FROM silver.transactions WHERE business_date = '{day}'")  # noqa: S608
    gold = query(root, f"SELECT sum(lines)::INT AS n FROM gold.sales_by_region WHERE business_date = '{day}'")  # noqa: S608
    return silver[0]["n"], gold[0]["n"]


@pytest.mark.parametrize(
    ("place", "completed_by"),
    [
        ("lakehouse.publication.publish._write_quarantine", ("run",)),
        ("lakehouse.publication.publish.write_ledger", ("run",)),
        ("lakehouse.orchestration.asset_factory._report_published", ("run",)),
        ("lakehouse.tables.publishing.publish_derived", ("run",)),
        ("lakehouse.orchestration.asset_factory._report_published", ("quarantine", "replay")),
    ],
)
def test_a_replay_that_dies_after_silvers_commit_is_completed(own_root, place, completed_by):
    quarantine(own_root, "fix", *SECOND, *WHOLE, *WHY)
    dies(own_root, place, "quarantine", "replay")
    assert line_counts(own_root, "2024-01-02") == (3, 2)
    assert lakehouse(own_root, *completed_by).code in {0, 3}
    assert line_counts(own_root, "2024-01-02") == (3, 3)
    assert [row["status"] for row in rows(own_root, *SECOND, "--status", "all")] == ["replayed"]
    assert lakehouse(own_root, "reconcile", "--strict").code == 0
    made = versions(own_root)
    assert quarantine(own_root, "replay").out.startswith("0 rows")
    assert versions(own_root) == made


@pytest.mark.parametrize(
    "place",
    ["lakehouse.corrections.quarantine.record_decisions", "lakehouse.orchestration.runner._fail_orphaned_runs"],
)
def test_a_release_that_dies_with_its_decision_is_completed_if_it_was_taken(own_root, place):
    dies(own_root, place, "quarantine", "release", *HELD, *WHY)
    taken = place == "lakehouse.orchestration.runner._fail_orphaned_runs"
    assert lakehouse(own_root, "run").code == (0 if taken else 3)
    assert line_counts(own_root, "2024-01-03") == ((5, 5) if taken else (0, None))
    assert lakehouse(own_root, "reconcile", "--strict").code == 0
    assert lakehouse(own_root, "run", "--json").data["runs"] == []


def test_a_release_is_of_what_was_audited_and_not_of_what_has_arrived_since(own_root):
    land(own_root, "2024-01-03-more.csv", lines_of("2024-01-03", 1, InvoiceNo="77"))
    dies(own_root, "lakehouse.tables.publishing.publish_received", "run")
    refused = quarantine(own_root, "release", *HELD, *WHY)
    assert "more has arrived for silver.transactions 2024-01-03" in sentence_of(refused)
    assert not (own_root / "system" / "decisions").exists()
    assert lakehouse(own_root, "run").code == 3
    assert quarantine(own_root, "release", *HELD, *WHY).code == 0
    assert line_counts(own_root, "2024-01-03") == (6, 6)
    (kept,) = query(own_root, "SELECT would_publish, length(rules_version) AS version FROM system.decisions")
    assert kept == {"would_publish": 6, "version": 12}
