"""`lakehouse drift`, `contract propose` and `accept`: columns that came undeclared, seen, proposed and taken up."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from deltalake import DeltaTable

from lakehouse.catalog.reader import Catalog
from tests.docs.pages import Command, Shell
from tests.lakehouse.cli.conftest import lakehouse
from tests.lakehouse.schema_changes.drifted import FIRST, LATE, NEW, drifted_lake, land_drift

__all__ = ["drifted_lake"]


def test_drift_is_shown_and_given_to_programs(drifted_lake):
    shown = lakehouse(drifted_lake, "drift").out
    assert "new column Channel" in shown
    assert "most values of column Quantity cannot be read as T.IntegerType" in shown
    found = lakehouse(drifted_lake, "drift", "--source", "transactions", "--json").data
    assert [(each["kind"], each["column"], each["is"], each["first"], each["rescued"]) for each in found[:1]] == [
        ("new", "Channel", None, NEW, True)
    ]


def test_status_sums_drift_up_in_a_line_for_each_column(drifted_lake):
    shown = lakehouse(drifted_lake, "status").out
    assert f"drift: transactions: new column Channel in 1 file since {NEW}" in shown
    assert len(lakehouse(drifted_lake, "status", "--json").data["drift"]) == 4


def test_a_lake_without_drift_says_so(tmp_path):
    assert "Every file has the columns that are declared." in lakehouse(tmp_path / "none", "drift").out
    assert "Nothing to propose" in lakehouse(tmp_path / "none", "contract", "propose").out


def test_a_proposal_is_written_and_accepted_as_a_patch_alone_on_the_standard_output(drifted_lake, tmp_path):
    file = tmp_path / "proposal.yaml"
    told = lakehouse(drifted_lake, "contract", "propose", "--out", str(file))
    assert "new columns Channel, TillNo; touches bronze.transactions, silver.transactions, gold.customer_" in told.out
    assert [each["column"] for each in yaml.safe_load(file.read_text())["columns"]] == ["Channel", "TillNo"]
    asked = ("contract", "accept", str(file), "--column", "TillNo")
    answer = lakehouse(drifted_lake, *asked)
    assert (answer.code, answer.out.splitlines()[0]) == (0, "--- a/lakehouse_assets/bronze/transactions.py")
    assert answer.err == (
        "Apply the patch with `git apply`. Then `lakehouse run` moves the rescued values of 4 rows of 1 files into "
        "TillNo and restates 2 days.\n"
    )
    assert lakehouse(drifted_lake, *asked, "--dry-run").out == answer.out
    assert lakehouse(drifted_lake, *asked, "--json").data == {
        "source": "transactions",
        "edited": [],
        "diff": answer.out,
        "columns": ["TillNo"],
        "business_dates": [LATE, NEW],
        "rows": 4,
        "files": 1,
    }


def test_what_is_no_sound_proposal_is_one_sentence(drifted_lake, tmp_path):
    file = tmp_path / "proposal.yaml"
    file.write_text("source: transactions\n")
    answer = lakehouse(drifted_lake, "contract", "accept", str(file))
    assert (answer.code, answer.out) == (1, "")
    assert "the proposal has no columns to accept" in answer.err


def test_the_help_names_the_file_that_a_proposal_is_written_to(tmp_path):
    assert "proposal-SOURCE.yaml" in lakehouse(tmp_path, "contract", "propose", "--help").out


# In a copy of the repository, to which the patch is applied


def tables(root: Path) -> dict[str, tuple[int, dict[str, set[str]]]]:
    """Return each table's version and the paths in its log, by partition."""
    found = {}
    for name in Catalog(str(root)).names():
        uri = f"{root}/{name.replace('.', '/')}"
        opened, files = DeltaTable(uri), {}
        for path in opened.file_uris():
            partition, _, file = path.removeprefix(f"{uri}/").rpartition("/")
            files.setdefault(partition, set()).add(file)
        found[name] = (opened.version(), files)
    return found


def changed_partitions(before: dict, after: dict, name: str) -> set[str]:
    """Return the dates of a table's partitions whose files are not those of before."""
    was, now = before[name][1], after[name][1]
    return {re.search(r"\d{4}-\d{2}-\d{2}", each)[0] for each in {*was, *now} if was.get(each) != now.get(each)}


@pytest.fixture
def checkout(tmp_path) -> Shell:
    """A copy of the repository with a drifted lake."""
    shell = Shell(tmp_path)
    land_drift(shell.root / ".lakehouse")
    said(shell, "lakehouse run")
    return shell


def said(shell: Shell, line: str) -> str:
    """Return what a command prints where a day is held, which is no failure here."""
    return shell.output(f"{line} || test $? -eq 3")


def rescued(root: Path) -> list[str]:
    """Return the rescued data of the rows that count."""
    rows = Catalog(str(root)).rows(
        "SELECT rescued_data FROM bronze.transactions "
        "QUALIFY batch_id = max(batch_id) OVER (PARTITION BY business_date, source_file)"
    )
    return [row["rescued_data"] for row in rows if row["rescued_data"] is not None]


def test_a_column_of_an_applied_patch_is_filled_and_no_other_day_is_touched(checkout):
    root = checkout.root / ".lakehouse"
    before = tables(root)
    received = "SELECT source_file, source_record, Quantity, InvoiceDate FROM bronze.transactions WHERE batch_id = 1"
    lost = Catalog(str(root)).rows(received)
    checkout.run(Command("lakehouse contract propose"))
    checkout.output("lakehouse contract accept proposal-transactions.yaml --column Channel | git apply")
    said(checkout, "lakehouse run")

    after = tables(root)
    for name in ("bronze.transactions", "silver.transactions"):
        assert changed_partitions(before, after, name) == {LATE, NEW}, name
    for name in (name for name in after if name.startswith("gold.")):  # no table of gold reads the column
        assert changed_partitions(before, after, name) == set(), name
    assert (
        before["bronze.transactions"][1][f"business_date={FIRST}"]
        == (after["bronze.transactions"][1][f"business_date={FIRST}"])
    )
    assert Catalog(str(root)).rows(received) == lost
    assert sorted(json.loads(text)["TillNo"] for text in rescued(root)) == ["0", "1", "2", "3"]
    assert not any("Channel" in text for text in rescued(root))
    silver = Catalog(str(root)).rows(
        "SELECT invoice_no, business_date::VARCHAR AS day, channel FROM silver.transactions WHERE channel IS NOT NULL"
    )
    assert sorted((row["invoice_no"], row["day"], row["channel"]) for row in silver) == [
        ("040001", NEW, "web"),
        ("late", LATE, "web"),
    ]
    assert "Everything adds up." in checkout.output("lakehouse reconcile --strict")

    assert "Nothing to do" in checkout.output("lakehouse contract accept proposal-transactions.yaml --column Channel")
    assert tables(root) == after
    left = json.loads(checkout.output("lakehouse drift --json"))
    assert [each["column"] for each in left if each["kind"] == "new"] == ["TillNo"]

    checkout.output("lakehouse contract accept proposal-transactions.yaml | git apply")
    said(checkout, "lakehouse run")
    assert rescued(root) == []
    tills = Catalog(str(root)).rows("SELECT till_no FROM silver.transactions WHERE till_no IS NOT NULL ORDER BY ALL")
    assert [row["till_no"] for row in tills] == [0, 1, 2, 3]
    assert "Everything adds up." in checkout.output("lakehouse reconcile --strict")
