"""`lakehouse drift`, `contract propose` and `accept`: columns that came undeclared, seen, proposed and taken up."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from deltalake import DeltaTable

from lakehouse.catalog.reader import Catalog
from lakehouse.cli.console import CommandError
from lakehouse.schema_changes.accept import Acceptance, ask_and_edit
from lakehouse.schema_changes.source_edits import Edit
from lakehouse.schema_changes.type_inference import Guess
from tests.docs.pages import Command, Shell
from tests.lakehouse.cli.conftest import lakehouse, sales_of
from tests.scenario import TRANSACTIONS, csv_bytes

COLUMNS = TRANSACTIONS.format.schema.names[:8]
FIRST, LATE, NEW, LAST = "2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05"


def drop(root: Path, name: str, content: bytes) -> None:
    file = root / "landing" / "transactions" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def land_drift(root: Path) -> None:
    """Three files as declared; one with new columns and a late row, and one whose quantities are no whole numbers."""
    for day in (FIRST, LATE, "2024-01-03"):
        drop(root, f"{day}.csv", csv_bytes(sales_of(day, 3)))
    lines = [*sales_of(NEW, 3), *sales_of(LATE, 1, InvoiceNo="late")]
    new = [{**line, "Channel": "web" if place % 2 else "", "TillNo": f"{place}"} for place, line in enumerate(lines)]
    drop(root, f"{NEW}.csv", csv_bytes(new, [*COLUMNS, "Channel", "TillNo"]))
    drop(root, f"{LAST}.csv", csv_bytes(sales_of(LAST, 3, Quantity="1.5")).replace(b"InvoiceNo", b"invoiceno"))


@pytest.fixture(scope="module")
def drifted_lake(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("drift") / "lake"
    land_drift(root)
    assert lakehouse(root, "run", "--json").code == 3  # the day without quantities is held
    return root


def test_every_difference_is_listed_with_its_files(drifted_lake):
    found = lakehouse(drifted_lake, "drift", "--json").data
    assert [(each["kind"], each["column"], each["is"], each["samples"], each["rescued"]) for each in found] == [
        ("new", "Channel", None, ["web"], True),
        ("new", "TillNo", None, ["0"], True),
        ("renamed", "InvoiceNo", "invoiceno", [], False),
        ("retyped", "Quantity", None, ["1.5"], False),
    ]
    assert [each["files"] for each in found] == [[f"transactions/{day}.csv"] for day in (NEW, NEW, LAST, LAST)]
    assert {each["first"] for each in found} == {NEW, LAST}
    shown = lakehouse(drifted_lake, "drift").out
    assert "new column Channel" in shown
    assert "most values of column Quantity cannot be read as T.IntegerType" in shown


def test_status_sums_drift_up_in_a_line_for_each_column(drifted_lake):
    shown = lakehouse(drifted_lake, "status").out
    assert f"drift: transactions: new column Channel in 1 file since {NEW}" in shown
    assert len(lakehouse(drifted_lake, "status", "--json").data["drift"]) == 4


def test_a_lake_without_drift_says_so(small_lake, tmp_path):
    assert "Every file has the columns that are declared." in lakehouse(tmp_path / "none", "drift").out
    kinds = {each["kind"] for each in lakehouse(small_lake.root, "drift", "--json").data}
    assert kinds == {"retyped"}  # 25 of 30 quantities of the held day
    assert "Nothing to propose" in lakehouse(tmp_path / "none", "contract", "propose").out


def test_a_proposal_has_what_one_needs_to_decide(drifted_lake, tmp_path):
    file = tmp_path / "proposal.yaml"
    told = lakehouse(drifted_lake, "contract", "propose", "--out", str(file))
    assert "new columns Channel, TillNo; touches bronze.transactions, silver.transactions, gold.customer_" in told.out
    found = yaml.safe_load(file.read_text())
    assert (found["source"], found["silver_table"]) == ("transactions", "silver.transactions")
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
    drop(
        tmp_path,
        f"{NEW}.csv",
        csv_bytes([{**line, **dict.fromkeys(names, "7")} for line in sales_of(NEW, 3)], COLUMNS + names),
    )
    lakehouse(tmp_path, "run")
    (proposal,) = lakehouse(tmp_path, "contract", "propose", "--json").data
    assert proposal["columns"] == []
    assert [(each["column"], each["rows"]) for each in proposal["stay_rescued"]] == [(name, 3) for name in names]
    assert all("has none of these in its name" in each["why"] for each in proposal["stay_rescued"])


def test_a_dry_run_shows_the_edits_and_changes_nothing(drifted_lake, tmp_path):
    file = tmp_path / "proposal.yaml"
    lakehouse(drifted_lake, "contract", "propose", "--out", str(file))
    before = tables(drifted_lake)
    shown = lakehouse(drifted_lake, "contract", "accept", str(file), "--dry-run", "--column", "TillNo").out
    assert '+            "TillNo",' in shown
    assert '+    till_no: T.LongType = column("TillNo, as received", source="TillNo", nullable=True)' in shown
    assert "Channel" not in shown
    assert "rescued values of 4 rows of 1 files would be in their column; 2 days would be restated" in shown
    assert tables(drifted_lake) == before


def test_the_help_names_the_file_that_a_proposal_is_written_to(tmp_path):
    assert "proposal-SOURCE.yaml" in lakehouse(tmp_path, "contract", "propose", "--help").out


def test_a_file_that_was_changed_since_it_was_read_is_left_alone_and_others_are_put_back(tmp_path):
    first, second = tmp_path / "bronze.py", tmp_path / "silver.py"
    first.write_text("one = 1\n")
    second.write_text("somebody = 'else'\n")
    edits = [Edit(first, "one = 1\n", "one = 2\n"), Edit(second, "two = 2\n", "two = 3\n")]
    with pytest.raises(CommandError, match="was changed meanwhile"):
        ask_and_edit(str(tmp_path), Acceptance("transactions", edits, None, 0, 0))
    assert (first.read_text(), second.read_text()) == ("one = 1\n", "somebody = 'else'\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("columns: [", "is no proposal"),
        ("[1, 2]", "is no proposal"),
        ("source: transactions\n", "no columns to accept"),
        ("source: nowhere\ncolumns: [{column: a, bronze: '\"a\"'}]", "there is no table bronze.nowhere"),
        ("source: transactions\ncolumns: [{column: a, bronze: 'print(1)'}]", "is no column"),
        ('source: transactions\ncolumns: [{column: a, bronze: \'("a", "string")\'}]', "is no column"),
        ("source: transactions\ncolumns: [{column: country, bronze: '\"country\"'}]", "in another way"),
        (
            (
                "source: transactions\nsilver_table: silver.transactions\n"
                "columns: [{column: a, bronze: '\"a\"', silver: 'import os'}]"
            ),
            "no column of a contract",
        ),
        (
            (
                "source: transactions\nsilver_table: silver.transactions\n"
                'columns: [{column: a, bronze: \'"a"\', silver: \'kind: T.StringType = column("k", source="a")\'}]'
            ),
            "has a column kind already",
        ),
    ],
)
def test_what_is_no_sound_proposal_is_refused_with_a_sentence(drifted_lake, tmp_path, text, said):
    file = tmp_path / "proposal.yaml"
    file.write_text(text)
    answer = lakehouse(drifted_lake, "contract", "accept", str(file), "--dry-run")
    assert (answer.code, answer.out) == (1, "")
    assert said in answer.err


@pytest.mark.parametrize(
    ("values", "type_", "spark_type"),
    [
        (["1", "-20", " 3 "], "integer", "T.LongType"),
        (["1", "2.50", "-0.125"], "decimal", "T.DecimalType(18, 3)"),
        (["9" * 19 + ".5"], "decimal", "T.DecimalType(20, 1)"),
        (["007", "12"], "text", "T.StringType"),
        (["9" * 30], "text", "T.StringType"),
        (["1e5"], "text", "T.StringType"),
        (["true", "False"], "boolean", "T.BooleanType"),
        (["2024-01-05", "2023-12-31"], "date", "T.DateType"),
        (["2024-01-05", "2024-01-05T10:00:00Z"], "timestamp", "T.TimestampType"),
        (["10:30"], "text", "T.StringType"),
        (["2024"], "integer", "T.LongType"),
        (["", "  ", "5"], "integer", "T.LongType"),
        ([], "text", "T.StringType"),
    ],
)
def test_a_type_is_guessed_that_every_value_fits(values, type_, spark_type):
    guess = Guess()
    for value in values:
        guess.look(value)
    assert (guess.type, guess.spark_type) == (type_, spark_type)


# In a copy of the repository, whose table files are edited


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
def checkout(tmp_path, drifted_lake) -> Shell:
    """A copy of the repository and of the drifted lake."""
    shell = Shell(tmp_path)
    shutil.copytree(drifted_lake, shell.root / ".lakehouse")
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


def test_an_accepted_column_is_filled_and_no_other_day_is_touched(checkout):
    root = checkout.root / ".lakehouse"
    before = tables(root)
    received = "SELECT source_file, source_record, Quantity, InvoiceDate FROM bronze.transactions WHERE batch_id = 1"
    lost = Catalog(str(root)).rows(received)
    checkout.run(Command("lakehouse contract propose"))
    said(checkout, "lakehouse contract accept proposal-transactions.yaml --column Channel")

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

    said(checkout, "lakehouse contract accept proposal-transactions.yaml")
    assert rescued(root) == []
    tills = Catalog(str(root)).rows("SELECT till_no FROM silver.transactions WHERE till_no IS NOT NULL ORDER BY ALL")
    assert [row["till_no"] for row in tills] == [0, 1, 2, 3]
    assert "Everything adds up." in checkout.output("lakehouse reconcile --strict")


@pytest.mark.parametrize(
    "completed_by",
    [
        "lakehouse run",
        pytest.param("lakehouse contract accept proposal-transactions.yaml", marks=pytest.mark.long),
    ],
)
def test_an_acceptance_that_dies_after_the_edits_is_completed(checkout, completed_by):
    root = checkout.root / ".lakehouse"
    checkout.run(Command("lakehouse contract propose"))
    dies = "import lakehouse.cli.progress as d, os; d.bring_to_gold = lambda _: os._exit(9)"
    dies += "; import lakehouse.cli.main, sys"
    starts = "sys.argv = ['lakehouse', 'contract', 'accept', 'proposal-transactions.yaml']; lakehouse.cli.main.main()"
    checkout.output(f'PYTHONPATH="$PWD" python -c "{dies}; {starts}"; test $? -eq 9')
    assert len(rescued(root)) == 4
    assert '"Channel",' in (checkout.root / "lakehouse_assets/bronze/transactions.py").read_text()
    said(checkout, completed_by)
    assert rescued(root) == []
    values = Catalog(str(root)).rows(
        "SELECT count(channel) AS channels, count(till_no) AS tills FROM silver.transactions"
    )
    assert values == [{"channels": 2, "tills": 4}]
    assert "Everything adds up." in checkout.output("lakehouse reconcile --strict")
    assert "Nothing to do" in checkout.output("lakehouse contract accept proposal-transactions.yaml")


def test_lines_that_cannot_be_imported_are_taken_back(checkout):
    root, before = checkout.root / ".lakehouse", {}
    for path in ("bronze", "silver"):
        before[path] = (checkout.root / f"lakehouse_assets/{path}/transactions.py").read_text()
    versions = tables(root)
    checkout.run(Command("lakehouse contract propose"))
    checkout.output("sed -i.bak 's/T.LongType/T.NoSuchType/' proposal-transactions.yaml")
    told = checkout.output("lakehouse contract accept proposal-transactions.yaml; test $? -eq 1")
    assert "cannot be imported, so they are as they were" in told
    for path, text in before.items():
        assert (checkout.root / f"lakehouse_assets/{path}/transactions.py").read_text() == text
    assert tables(root) == versions
    assert not (root / "system/manifests/transactions.json").exists()
