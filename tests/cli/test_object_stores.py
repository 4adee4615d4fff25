"""The command on lakes that lie on object stores: moving the root there is all there is to do."""

from __future__ import annotations

import time

import pytest

from tests.cli.conftest import lakehouse, sales_of
from tests.contents import content_hashes
from tests.scenario import csv_bytes, sale

DEMO = ("demo", "--days", "7", "--rows-per-day", "200", "--json")


@pytest.fixture
def root(remote, tmp_path, monkeypatch) -> str:
    """An empty lake on an object store; what has to be on disk goes to the working folder."""
    monkeypatch.chdir(tmp_path)
    return f"{remote.uri}/some/lake"


@pytest.mark.slow
def test_the_demo_ends_with_the_scorecard_and_the_contents_it_has_on_disk(root, demo_lake):
    made = lakehouse(root, *DEMO)
    assert made.code == 0
    assert made.data["scorecard"] == demo_lake.made.data["scorecard"]
    assert content_hashes(root) == content_hashes(str(demo_lake.root))
    again = lakehouse(root, *DEMO)
    assert (again.code, again.data["runs"]) == (0, [])
    assert again.data["scorecard"] == made.data["scorecard"]
    assert lakehouse(root, "reconcile", "--strict").code == 0


@pytest.mark.slow
def test_every_command_works(remote, root):
    def land(name, lines):
        remote.put(f"some/lake/landing/transactions/{name}", csv_bytes(lines))

    broken = sale("999999", "2024-01-01 11:00:00", Quantity="many")
    land("2024-01-01.csv", [*sales_of("2024-01-01", 30), broken])
    land("2024-01-02.csv", sales_of("2024-01-02", 3, Quantity="x"))
    land("notes.txt", [])

    held = lakehouse(root, "run", "--json")
    assert (held.code, held.data["unroutable"]) == (3, ["transactions/notes.txt"])
    assert [day["business_date"] for day in held.data["held"]] == ["2024-01-02"]
    listed = lakehouse(root, "quarantine", "list", "--json", "--table", "silver.transactions")
    assert sum(row["rows"] for row in listed.data) == 4
    shown = lakehouse(root, "quarantine", "show", "--table", "silver.transactions", "--day", "2024-01-01")
    assert "999999" in shown.out

    land("2024-01-02.csv", sales_of("2024-01-02", 3))
    waiting = lakehouse(root, "status", "--json").data
    assert (waiting["root"], waiting["landing"]["pending"]) == (root, ["transactions/2024-01-02.csv"])
    assert lakehouse(root, "run").code == 0
    days = lakehouse(root, "query", "--json", "FROM gold.daily_sales_summary ORDER BY business_date").data
    assert [(day["business_date"], day["lines"]) for day in days] == [("2024-01-01", 30), ("2024-01-02", 3)]
    before = lakehouse(root, "query", "--json", "--version", "1", "SELECT count(*) AS rows FROM silver.transactions")
    assert before.data == [{"rows": 30}]
    assert lakehouse(root, "reconcile", "--strict").code == 0
    assert lakehouse(root, "run").out.startswith("nothing new has landed")


@pytest.mark.slow
def test_a_file_that_is_sent_again_with_the_same_bytes_is_not_taken_again(remote, root):
    def bronze():
        tables = {each["name"]: each for each in lakehouse(root, "status", "--json").data["tables"]}
        return tables["bronze.transactions"]["delta_version"], tables["bronze.transactions"]["rows"]

    remote.put("some/lake/landing/transactions/2024-01-01.csv", csv_bytes(sales_of("2024-01-01", 3)))
    assert lakehouse(root, "run").code == 0
    before = bronze()
    time.sleep(1.1)  # some stores tell times by the second
    remote.put("some/lake/landing/transactions/2024-01-01.csv", csv_bytes(sales_of("2024-01-01", 3)))
    assert lakehouse(root, "run").code == 0
    assert bronze() == before
    assert lakehouse(root, "status", "--json").data["landing"]["pending"] == []


def test_a_bucket_that_is_not_there_is_one_sentence(remote, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    missing = remote.uri.replace("test-", "gone-")
    for command in (("run",), ("status",), ("query", "FROM gold.daily_sales_summary"), ("demo",)):
        refused = lakehouse(f"{missing}/lake", *command)
        assert refused.code == 1
        assert refused.err.startswith(f"error: {missing}/lake")
        assert len(refused.err.splitlines()) == 1
