"""`lakehouse plan`: it lists whatever the run then rewrites, with `--exact` just that, and planning writes nothing."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.catalog.reader import Catalog
from lakehouse.orchestration.instance.home import prepare_home
from lakehouse_assets.gold import sales_by_region
from tests.lakehouse.cli.conftest import lakehouse, land, sales_of

DAYS = tuple(f"2024-01-{day:02}" for day in (2, 3, 4, 8, 9))
ADA, BOB = "17850", "13047"
COLUMNS = {"bronze": "business_date", "gold.weekly_sales_summary": "week_start"}


def customer(number: str, updated_at: str, **said: str) -> dict[str, object]:
    """Return a record of a customer."""
    return {
        "customer_id": int(number),
        "name": f"customer {number}",
        "updated_at": updated_at,
        "is_deleted": False,
    } | said


def land_customers(root: Path, name: str, records: list[dict[str, object]]) -> None:
    """Drop a file of customer records."""
    file = root / "landing" / "customers" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    """Five days of two weeks; Ada buys on all of them, Bob on the first, the third and the last."""
    root = tmp_path_factory.mktemp("plan") / "lake"
    for number, day in enumerate(DAYS):
        lines = sales_of(day, 3, CustomerID=ADA)
        bobs = [{**line, "InvoiceNo": f"2{line['InvoiceNo']}"} for line in sales_of(day, 1, CustomerID=BOB)]
        land(root, f"{day}.csv", [*lines, *(bobs if number % 2 == 0 else [])])
    land_customers(
        root, "2024-01-02.jsonl", [customer(ADA, "2024-01-02T00:00:00"), customer(BOB, "2024-01-02T00:00:00")]
    )
    assert lakehouse(root, "run").code == 0
    return root


@pytest.fixture
def own_shop(shop, lake_root) -> Path:
    """A copy of it that a test may change."""
    shutil.copytree(shop, lake_root)
    return lake_root


def planned(root: Path, *arguments: str) -> dict[str, list[str]]:
    """Return the partitions that an exact plan lists, by table, after checking that the quick plan has them, too."""
    exact, quick = (lakehouse(root, "plan", *arguments, *more, "--json") for more in (["--exact"], []))
    assert (exact.code, quick.code) == (0, 0), exact.err + quick.err
    found, listed = (
        {each["table"]: [cell["partition"] for cell in each["partitions"]] for each in answer.data["tables"]}
        for answer in (exact, quick)
    )
    may_be_anywhere = {each["table"] for each in quick.data["tables"] if each["with_members_of"]}
    missing = {
        table: {*days} - {*listed.get(table, ())} for table, days in found.items() if table not in may_be_anywhere
    }
    assert {table: days for table, days in missing.items() if days} == {}
    return found


def state(root: Path) -> dict[str, dict[str, object]]:
    """Return what tells one content of a partition from another: its files, or its rows where it has no files."""
    found: dict[str, dict[str, object]] = {}
    lake = Catalog(str(root))
    for name in lake.names():
        if name.startswith("system."):
            continue
        opened = lake.open(name)
        partitions: dict[str, object] = defaultdict(set)
        if opened.metadata().partition_columns:
            for file in opened.file_uris():
                partitions[Path(file).parent.name.partition("=")[2]].add(file)
        else:
            for row in lake.read(name).to_pylist():
                partitions[str(row["business_date"])].add(repr(row))
        found[name] = dict(partitions)
    return found


def rewritten(before: dict[str, dict[str, object]], after: dict[str, dict[str, object]]) -> dict[str, list[str]]:
    """Return the partitions, by table, that are not what they were."""
    found = {}
    for name, now in after.items():
        was = before.get(name, {})
        if changed := sorted(day for day in {*was, *now} if was.get(day) != now.get(day)):
            found[name] = changed
    return found


def run(root: Path, *arguments: str) -> dict[str, list[str]]:
    """Run, and return what that rewrote."""
    before = state(root)
    assert lakehouse(root, "run", *arguments).code == 0
    return rewritten(before, state(root))


def happen(root: Path, chance: random.Random) -> str:
    """Let something arrive late, or in a corrected version, and say what."""
    day, price = chance.choice(DAYS), f"{chance.randint(100, 900) / 100:.2f}"
    kind = chance.choice(["late file", "corrected file", "late customer", "the same again"])
    if kind == "late file":
        lines = [{**line, "InvoiceNo": f"3{line['InvoiceNo']}"} for line in sales_of(day, 2, UnitPrice=price)]
        land(root, "2024-01-10.csv", lines)
    elif kind == "corrected file":
        land(root, f"{day}.csv", sales_of(day, 3, UnitPrice=price, CustomerID=chance.choice([ADA, BOB])))
    elif kind == "late customer":
        changed = customer(chance.choice([ADA, BOB, "99999"]), f"{day}T09:00:00", city=chance.choice("ABC"))
        land_customers(root, "2024-01-10.jsonl", [changed])
    else:  # its rows are what they were, and only their order differs
        file = root / "landing" / "transactions" / f"{day}.csv"
        header, *lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join([header, *reversed(lines)]))
    return f"{kind} of {day}"


@pytest.mark.parametrize("times", [1, pytest.param(5, marks=pytest.mark.long)])
def test_in_random_cases_the_plan_lists_exactly_what_the_run_rewrites(own_shop, times):
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - what happened
    chance = random.Random(seed)  # noqa: S311 - a test's choice, not a secret
    for _ in range(times):
        what = [happen(own_shop, chance) for _ in range(chance.randint(1, 2))]
        plan = planned(own_shop)
        assert plan == run(own_shop), (seed, what)
        assert plan, what


def test_of_a_late_customer_record_only_the_facts_of_that_customers_days_since_are_rewritten(own_shop):
    land_customers(own_shop, "2024-01-10.jsonl", [customer(BOB, "2024-01-03T12:00:00", city="Leeds")])

    plan = planned(own_shop)

    assert plan["bronze.customers"] == plan["silver.customers"] == ["2024-01-03"]
    assert plan["gold.dim_customers"] == ["2024-01-02", "2024-01-03"]  # the version before it ends, and its own
    assert plan["gold.fact_sales"] == ["2024-01-04", "2024-01-09"]  # Bob's days since
    assert "gold.daily_sales_summary" not in plan
    assert plan == run(own_shop)


def test_a_file_from_elsewhere_is_planned_under_the_key_it_will_have_and_nothing_is_written(own_shop, tmp_path):
    land(own_shop, "2024-01-10.csv", sales_of("2024-01-10", 1))  # waits, and is not asked about
    corrected = tmp_path / "mine.csv"
    shutil.copy(own_shop / "landing" / "transactions" / "2024-01-04.csv", corrected)
    corrected.write_text(corrected.read_text().replace("2.50", "3.50"))
    before = files(own_shop)

    answer = lakehouse(
        own_shop, "plan", "--exact", "--file", str(corrected), "--as", "transactions/2024-01-04.csv", "--json"
    )

    assert files(own_shop) == before
    tables = {each["table"]: each["partitions"] for each in answer.data["tables"]}
    assert {cell["partition"] for cell in tables["gold.daily_sales_summary"]} == {"2024-01-04"}
    assert tables["bronze.transactions"] == [
        {"partition": "2024-01-04", "rows": 8, "added": 4, "removed": 0, "changed": 0}
    ]
    (silver,) = tables["silver.transactions"]
    assert (silver["rows"], silver["added"], silver["removed"]) == (4, 4, 4)  # the price is part of a line's key
    assert tables["gold.daily_sales_summary"] == [
        {"partition": "2024-01-04", "rows": 1, "added": 0, "removed": 0, "changed": 1}
    ]
    assert answer.data["total"]["partitions"] == sum(map(len, tables.values()))


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file of a lake but the locks and journals of its databases."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            if not name.endswith((".lock", "-wal", "-shm", "-journal")):
                about = Path(folder, name).stat()
                found[os.path.relpath(Path(folder, name), root)] = (about.st_size, about.st_mtime_ns)
    return found


def test_a_partition_made_again_is_planned_with_what_follows_and_so_it_is_made(own_shop):
    DeltaTable(own_shop / "silver" / "transactions").update(
        updates={"amount": "amount + 1"}, predicate="business_date = '2024-01-03'"
    )
    plan = planned(own_shop, "--partition", "silver.transactions=2024-01-03")
    assert plan["silver.transactions"] == ["2024-01-03"]
    assert plan == run(own_shop, "--partition", "silver.transactions=2024-01-03")


def test_a_changed_function_is_planned_with_the_partitions_that_come_out_otherwise(own_shop, monkeypatch):
    assert planned(own_shop, "--code") == {}
    table = sales_by_region.sales_by_region

    def of_one_day_otherwise(silver_transactions):
        is_changed = F.col("business_date") == "2024-01-08"
        made = table.transform(silver_transactions)
        return made.withColumn("units", F.when(is_changed, F.col("units") + 1).otherwise(F.col("units")))

    monkeypatch.setattr(sales_by_region, "sales_by_region", replace(table, transform=of_one_day_otherwise))
    plan = planned(own_shop, "--code")
    assert plan == {"gold.sales_by_region": ["2024-01-08"]}
    assert plan == run(own_shop, "--code")
    assert planned(own_shop, "--code") == {}


def test_the_quick_plan_lists_partitions_by_the_graph_and_writes_nothing(own_shop):
    land(own_shop, "2024-01-10.csv", sales_of("2024-01-03", 1))
    prepare_home(own_shop / "dagster")  # which was copied with the lake, and names its old place
    before = files(own_shop)
    answer = lakehouse(own_shop, "plan", "--json")
    assert (answer.code, files(own_shop)) == (0, before)
    tables = {each["table"]: each["partitions"] for each in answer.data["tables"]}
    assert tables["bronze.transactions"] == tables["silver.transactions"] == [{"partition": "2024-01-03"}]
    assert tables["gold.weekly_sales_summary"] == [{"partition": "2024-01-01"}]
    assert tables["gold.monthly_sales_summary"] == [{"partition": "2024-01-01"}]
    assert "bronze.customers" not in tables
    assert (
        lakehouse(own_shop, "plan", "--file", "transactions/2024-01-10.csv", "--json").data["tables"]
        == (answer.data["tables"])
    )


def test_a_file_that_would_be_held_is_told_and_exits_with_3(own_shop):
    land(own_shop, "2024-01-09.csv", sales_of("2024-01-09", 30, Quantity="x"))
    answer = lakehouse(own_shop, "plan", "--exact", "--file", "transactions/2024-01-09.csv")
    assert answer.code == 3
    assert "30 of 30" in answer.out or "rejected" in answer.out
    assert "nothing is written yet" in answer.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--file", "transactions/2024-02-30.csv"), "there is no such file in the landing zone"),
        (("--file", "{csv}"), "say under which key it is to land"),
        (("--file", "{csv}", "--as", "sales/2024-01-04.csv"), "no source is called sales: there are "),
        (("--file", "{csv}", "--as", "transactions/today.csv"), "name it <yyyy-mm-dd>….csv"),
        (("--as", "transactions/2024-01-04.csv"), "give it with that --file"),
        (("--partition", "gold.nothing=2024-01-04"), "there is no table gold.nothing; give one of "),
        (
            ("--partition", "gold.sales_by_region=soon"),
            "give a table and a day, such as silver.transactions=2024-01-31",
        ),
        (("--partition", "gold.sales_by_region=1999-01-01"), "the calendar goes from 2010-12-01 to today"),
        (("--partition", "gold.sales_by_region=2024-01-04", "--code"), "each is a run of its own"),
        (("--file", "{csv}", "--code"), "each is a run of its own"),
    ],
)
def test_what_cannot_be_planned_is_told_in_a_sentence(ask, tmp_path, arguments, told):
    csv = tmp_path / "mine.csv"
    csv.write_text("InvoiceNo\n")
    answer = ask("plan", *[each.replace("{csv}", str(csv)) for each in arguments])
    assert answer.code == 1
    assert told in " ".join(answer.err.split())
