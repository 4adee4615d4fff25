"""The real Dagster UI, in a real browser, over a lake with a held day."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from deltalake import DeltaTable
from playwright.sync_api import Browser, Page, expect, sync_playwright

from examples import shop
from lakehouse.contracts.contract import columns_of
from lakehouse.tables.declarations import LAYERS, BronzeTable, ContractTable, ManagedTable
from lakehouse_assets.definitions import find_tables
from tests.processes import PROJECT, free_port, lake_environment, started, wait_for

pytestmark = pytest.mark.slow

DAYS = 8
START = dt.date(2026, 1, 5)
TABLES = find_tables()
RUN = [table for table in TABLES if not isinstance(table, ManagedTable)]
"""The tables that have runs of their own."""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # with Playwright's routes the UI would never load
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("lake")
    shop.generate(root / "landing", days=DAYS, rows_per_day=200, seed=3, start=START)
    run = subprocess.run(
        [sys.executable, "-m", "lakehouse", "run", "--json"],
        env=_environment(root),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 3, run.stderr[-4000:]
    return root


@pytest.fixture(scope="module")
def ui(lake, tmp_path_factory):
    port, log = free_port(), tmp_path_factory.mktemp("ui") / "webserver.log"
    environment = {**_environment(lake), "DAGSTER_HOME": str(lake / "dagster")}
    arguments = ["dagster_webserver", "--workspace", "workspace.yaml", "--port", str(port)]
    with started(arguments, log, environment):
        url = f"http://127.0.0.1:{port}"
        wait_for("the Dagster UI", lambda: _answers(url), log=log)
        yield url


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        reason = "no Chromium on this machine: apt-get install chromium fonts-dejavu-core"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser):
    size = {"width": 4600, "height": 2600}  # the graph leaves out what is not in view
    with browser.new_context(viewport=size, device_scale_factor=1) as context:
        context.set_default_timeout(30_000)
        expect.set_options(timeout=30_000)
        yield context.new_page()


def _environment(root: Path) -> dict[str, str]:
    return lake_environment(root, LAKEHOUSE_START_DATE=START.isoformat())


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/server_info", timeout=2):  # noqa: S310 - our own address
            return True
    except (URLError, OSError):
        return False


def _rows_by_day(lake: Path, table: str, column: str) -> Counter[str]:
    read = DeltaTable(str(lake / table.replace(".", "/"))).to_pyarrow_table(columns=[column])
    return Counter(map(str, read.column(column).to_pylist()))


def _held(lake: Path) -> tuple[str, Counter[str]]:
    """Return the one held day of silver.transactions and its rejected rows by rule."""
    rows = DeltaTable(str(lake / "silver/quarantine")).to_pyarrow_table().to_pylist()
    of_table = [row for row in rows if row["status"] == "open" and row["table_name"] == "silver.transactions"]
    held = [row for row in of_table if row["verdict"] == "held"]
    (day,) = {str(row["business_date"]) for row in held}
    return day, Counter(rule for row in held for rule in row["rules"])


def test_the_lineage_shows_every_layer_from_the_landing_files_on(page: Page, ui):
    page.goto(f"{ui}/asset-groups", wait_until="domcontentloaded")

    for layer in ("landing", *LAYERS):
        expect(page.locator("foreignObject").get_by_text(layer, exact=True).first).to_be_visible()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.full_name)
def test_the_page_of_a_table_tells_what_it_is(page: Page, ui, table):
    page.goto(f"{ui}/assets/{table.full_name.replace('.', '/')}", wait_until="domcontentloaded")

    told = table.description.splitlines()[0].replace("`", "")  # the UI reads it as Markdown
    expect(page.get_by_role("paragraph").filter(has_text=told).first).to_be_visible()
    expect(page.get_by_text(table.owner.removeprefix("team:"), exact=True).first).to_be_visible()
    expect(page.get_by_text("Delta Lake", exact=True).first).to_be_visible()
    expect(page.get_by_role("link", name=re.compile(f"Open .*{table.full_name} in editor"))).to_be_visible()
    expect(page.get_by_role("link", name=table.layer, exact=True).first).to_be_visible()
    for name, meaning in _columns(table).items():
        row = page.get_by_role("row", name=re.compile(rf"^{name}\b"))
        expect(row.filter(has_text=meaning.replace("`", "")).first).to_be_visible()


@pytest.mark.parametrize("table", RUN, ids=lambda table: table.full_name)
def test_the_page_of_a_partition_counts_its_rows(page: Page, ui, lake, table):
    found = _rows_by_day(lake, table.full_name, table.partition_column)
    if not found:  # a lake of one month knows nothing from before it
        assert table.full_name == "gold.customer_features"
        return
    day, rows = max(found.items())

    page.goto(f"{ui}/assets/{table.full_name.replace('.', '/')}?view=partitions&partition={day}")

    row = page.get_by_role("row", name="dagster/partition_row_count")
    expect(row.first).to_contain_text(re.compile(rf"(?<!\d)({rows}|{rows:,})(?!\d)"))


@pytest.mark.parametrize("table", RUN, ids=lambda table: table.full_name)
def test_a_table_has_one_check_with_a_verdict(page: Page, ui, table):
    name, blocking = ("readable", False) if isinstance(table, BronzeTable) else ("audit", True)

    page.goto(f"{ui}/assets/{table.full_name.replace('.', '/')}/?view=checks", wait_until="domcontentloaded")

    expect(page.get_by_text("Checks (1)")).to_be_visible()
    expect(page.get_by_text(name, exact=True).first).to_be_visible()
    expect(page.get_by_text("Latest execution")).to_be_visible()
    expect(page.get_by_text("This is a blocking asset check")).to_have_count(int(blocking))


def test_quarantine_has_a_check_that_can_be_run(page: Page, ui):
    page.goto(f"{ui}/assets/silver/quarantine/?view=checks", wait_until="domcontentloaded")

    expect(page.get_by_text("Checks (1)")).to_be_visible()
    expect(page.get_by_text("accounted", exact=True).first).to_be_visible()


def test_a_held_day_is_red_with_its_rejected_rows_by_rule_and_a_sample(page: Page, ui, lake):
    day, rules = _held(lake)

    page.goto(f"{ui}/assets/silver/transactions?view=checks&checkDetail=audit", wait_until="domcontentloaded")

    expect(page.get_by_text("Failed", exact=True).first).to_be_visible()
    expect(page.get_by_text(day, exact=True).first).to_be_visible()
    for rule, rows in rules.items():
        expect(page.get_by_role("row", name=re.compile(rf"^{re.escape(rule)}\s+{rows}$")).first).to_be_visible()
    sample = page.get_by_role("row").filter(has_text=f"transactions/{day}").last
    expect(sample).to_contain_text("InvoiceNo")


def _columns(table) -> dict[str, str]:
    """Return what is said of columns: of all in silver and gold, of the lakehouse's own in bronze."""
    if isinstance(table, ManagedTable):
        return dict.fromkeys(table.layout.schema.names, "")
    if isinstance(table, ContractTable):
        return {column.name: column.description for column in columns_of(table.terms.contract)}
    from lakehouse.ingestion.bronze_rows import METADATA

    return {name: meaning for name, _, meaning in METADATA}
