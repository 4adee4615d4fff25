"""The command on lakes that lie on object stores: moving the root there is all there is to do."""

from __future__ import annotations

import time

import pytest
from typer.testing import CliRunner

from lakehouse.cli.main import app
from lakehouse.landing.zone import _s3_client
from tests.contents import content_hashes
from tests.lakehouse.cli.conftest import SMALLEST, lakehouse, sales_of
from tests.s3_server import SERVERS
from tests.scenario import csv_bytes, sale

DEMO = ("demo", *SMALLEST, "--json")


@pytest.fixture
def root(remote, tmp_path, monkeypatch) -> str:
    """An empty lake on an object store; what has to be on disk goes to the working folder."""
    monkeypatch.chdir(tmp_path)
    return f"{remote.uri}/some/lake"


@pytest.mark.long
def test_the_demo_ends_with_the_scorecard_and_the_contents_it_has_on_disk(root, demo_lake):
    made = lakehouse(root, *DEMO)
    assert made.code == 0
    assert made.data["scorecard"] == demo_lake.made.data["scorecard"]
    assert content_hashes(root) == content_hashes(str(demo_lake.root))
    again = lakehouse(root, *DEMO)
    assert (again.code, again.data["runs"]) == (0, [])
    assert again.data["scorecard"] == made.data["scorecard"]
    assert lakehouse(root, "reconcile", "--strict").code == 0


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


def test_a_file_that_is_sent_again_with_the_same_bytes_is_not_taken_again(remote, root):
    def made():
        tables = {each["name"]: each for each in lakehouse(root, "status", "--json").data["tables"]}
        return tables["bronze.transactions"]["rows"], tables["silver.transactions"]["delta_version"]

    remote.put("some/lake/landing/transactions/2024-01-01.csv", csv_bytes(sales_of("2024-01-01", 3)))
    assert lakehouse(root, "run").code == 0
    before = made()
    time.sleep(1.1)  # some stores tell times by the second
    remote.put("some/lake/landing/transactions/2024-01-01.csv", csv_bytes(sales_of("2024-01-01", 3)))
    assert lakehouse(root, "run").code == 0
    assert made() == before
    assert lakehouse(root, "status", "--json").data["landing"]["pending"] == []


@pytest.mark.parametrize("s3", ["moto"], indirect=True)  # it takes any key
def test_a_secret_gets_into_no_table_no_log_and_no_database(s3, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim4711")
    s3.put("lake/landing/transactions/2024-01-01.csv", csv_bytes(sales_of("2024-01-01", 3)))
    done = lakehouse(f"{s3.uri}/lake", "run")
    told = lakehouse(f"{s3.uri}/lake", "status", "--json")
    assert (done.code, told.code) == (0, 0)
    written = [done.out, done.err, told.out, *map(str, tmp_path.rglob("*"))]
    assert not [text for text in written if "geheim4711" in text]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"geheim4711" in path.read_bytes()]
    objects = s3.client.list_objects_v2(Bucket=s3.name)["Contents"]
    assert len(objects) > 20
    for entry in objects:
        assert b"geheim4711" not in s3.client.get_object(Bucket=s3.name, Key=entry["Key"])["Body"].read(), entry["Key"]


@pytest.mark.skipif("minio" not in SERVERS, reason="moto lets anybody in; make minio")
@pytest.mark.parametrize("s3", ["minio"], indirect=True)
@pytest.mark.parametrize("landing", [None, "/landing"])
def test_a_wrong_secret_is_one_sentence_that_does_not_show_it(s3, tmp_path, monkeypatch, landing):
    """As the lake's, and as a landing zone's beside a lake on disk."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim4711")
    _s3_client.cache_clear()
    monkeypatch.setenv("LAKEHOUSE_ROOT", str(tmp_path / "lake") if landing else f"{s3.uri}/lake")
    monkeypatch.setenv("LAKEHOUSE_LANDING", f"{s3.uri}/landing")
    refused = CliRunner().invoke(app, ["run"])
    _s3_client.cache_clear()
    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"error: {s3.uri}/")
    assert len(refused.stderr.splitlines()) == 1
    assert "geheim4711" not in refused.stderr


def test_a_bucket_that_is_not_there_is_one_sentence(remote, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    missing = remote.uri.replace("test-", "gone-")
    for command in (("run",), ("status",), ("query", "FROM gold.daily_sales_summary"), ("demo",)):
        refused = lakehouse(f"{missing}/lake", *command)
        assert refused.code == 1
        assert refused.err.startswith(f"error: {missing}/lake")
        assert len(refused.err.splitlines()) == 1
