"""The real Dagster UI, in a real browser, over a lake with a held day."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from deltalake import DeltaTable
from playwright.sync_api import Browser, Page, expect, sync_playwright

from lakehouse.contracts.contract import columns_of
from lakehouse.orchestration.instance.home import prepare_home
from lakehouse.tables.declarations import LAYERS, BronzeTable, ContractTable, ManagedTable
from lakehouse_assets.definitions import find_tables
from tests.lakehouse.cli.conftest import copied, shared_worlds
from tests.processes import free_port, lake_environment, started, wait_for

TABLES = find_tables()
RUN = [table for table in TABLES if not isinstance(table, ManagedTable)]
"""The tables that have runs of their own."""
SHOWN = [table for table in TABLES if table.full_name in {"bronze.clicks", "silver.quarantine", "gold.fact_sales"}]
"""One table of each layer and of each kind: the browser looks at these, and what it is told is compared for all."""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # with Playwright's routes the UI would never load
]
WHAT_IT_IS = """
{ assetNodes { assetKey { path } description groupName kinds owners { ... on TeamAssetOwner { team } } metadataEntries {
    label
    ... on TableSchemaMetadataEntry { schema { columns { name description } } }
    ... on CodeReferencesMetadataEntry { codeReferences { ... on LocalFileCodeReference { label } } }
} } }"""
ROWS_OF_A_PARTITION = """
query($key: [String!]!, $day: String!) { assetNodes(assetKeys: [{path: $key}]) {
    assetMaterializations(partitions: [$day], limit: 1) {
        metadataEntries { label ... on IntMetadataEntry { intValue } }
    }
} }"""
VERDICTS = """
{ assetNodes { assetKey { path } assetChecksOrError { ... on AssetChecks { checks {
    name blocking executionForLatestMaterialization { status }
} } } } }"""


@pytest.fixture(scope="module")
def lake(run_folder, tmp_path_factory) -> Path:
    held, _ = shared_worlds(run_folder)
    root = copied(held, tmp_path_factory.mktemp("ui") / "lake").root
    prepare_home(root / "dagster")  # which names the place that it was copied from
    return root


@pytest.fixture(scope="module")
def ui(lake, tmp_path_factory):
    port, log = free_port(), tmp_path_factory.mktemp("ui") / "webserver.log"
    environment = {**lake_environment(lake), "DAGSTER_HOME": str(lake / "dagster")}
    arguments = ["dagster_webserver", "--workspace", "workspace.yaml", "--port", str(port)]
    with started(arguments, log, environment):
        url = f"http://127.0.0.1:{port}"
        wait_for("the Dagster UI", lambda: _answers(url), log=log)
        yield url


@pytest.fixture(scope="module")
def browser(ui):  # noqa: ARG001 - the lake comes first: no run of Dagster starts beside the loop of Playwright
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


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/server_info", timeout=2):  # noqa: S310 - our own address
            return True
    except (URLError, OSError):
        return False


def _asked(url: str, query: str, **variables: object) -> dict:
    """Return the answer to what the UI's pages ask, in GraphQL."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = Request(f"{url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310 - our own address
    with urlopen(request, timeout=60) as answer:  # noqa: S310
        told = json.load(answer)
    assert "errors" not in told, told
    return told["data"]


def _check(table) -> tuple[str, bool]:
    """Return the name of a table's check, and whether it blocks what comes after."""
    return ("readable", False) if isinstance(table, BronzeTable) else ("audit", True)


def _as_read(text: str) -> str:
    """Return the first line of Markdown as the UI shows it."""
    return text.splitlines()[0].replace("`", "") if text else ""


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


@pytest.mark.parametrize("table", SHOWN, ids=lambda table: table.full_name)
def test_the_page_of_a_table_tells_what_it_is(page: Page, ui, table):
    page.goto(f"{ui}/assets/{table.full_name.replace('.', '/')}", wait_until="domcontentloaded")

    expect(page.get_by_role("paragraph").filter(has_text=_as_read(table.description)).first).to_be_visible()
    expect(page.get_by_text(table.owner.removeprefix("team:"), exact=True).first).to_be_visible()
    expect(page.get_by_text("Delta Lake", exact=True).first).to_be_visible()
    expect(page.get_by_role("link", name=re.compile(f"Open .*{table.full_name} in editor"))).to_be_visible()
    expect(page.get_by_role("link", name=table.layer, exact=True).first).to_be_visible()
    for name, meaning in _columns(table).items():
        row = page.get_by_role("row", name=re.compile(rf"^{name}\b"))
        expect(row.filter(has_text=_as_read(meaning)).first).to_be_visible()


def test_the_ui_is_told_what_every_table_is(ui):
    told = {".".join(node["assetKey"]["path"]): node for node in _asked(ui, WHAT_IT_IS)["assetNodes"]}
    for table in TABLES:
        node, entries = told[table.full_name], {}
        for entry in told[table.full_name]["metadataEntries"]:
            entries |= {name: value for name, value in entry.items() if name in {"schema", "codeReferences"}}
        assert node["description"] == table.description
        assert [f"team:{owner['team']}" for owner in node["owners"]] == [table.owner]
        assert (node["groupName"], "deltalake" in node["kinds"]) == (table.layer, True)
        assert [reference["label"] for reference in entries["codeReferences"]] == [table.full_name]
        shown = {column["name"]: column["description"] or "" for column in entries["schema"]["columns"]}
        for name, meaning in _columns(table).items():
            assert shown[name].startswith(meaning), (table.full_name, name)  # a unit comes after it


@pytest.mark.parametrize("table", [each for each in SHOWN if each in RUN], ids=lambda table: table.full_name)
def test_the_page_of_a_partition_counts_its_rows(page: Page, ui, lake, table):
    day, rows = max(_rows_by_day(lake, table.full_name, table.partition_column).items())

    page.goto(f"{ui}/assets/{table.full_name.replace('.', '/')}?view=partitions&partition={day}")

    row = page.get_by_role("row", name="dagster/partition_row_count")
    expect(row.first).to_contain_text(re.compile(rf"(?<!\d)({rows}|{rows:,})(?!\d)"))


def test_the_ui_is_told_the_rows_of_a_partition_of_every_table(ui, lake):
    empty = []
    for table in RUN:
        found = _rows_by_day(lake, table.full_name, table.partition_column)
        if not found:
            empty.append(table.full_name)
            continue
        day, rows = max(found.items())
        (newest,) = _asked(ui, ROWS_OF_A_PARTITION, key=table.full_name.split("."), day=day)["assetNodes"]
        (entries,) = [made["metadataEntries"] for made in newest["assetMaterializations"]]
        counted = [entry["intValue"] for entry in entries if entry["label"] == "dagster/partition_row_count"]
        assert counted == [rows], (table.full_name, day)
    assert empty == ["gold.customer_features"]  # a lake of one month knows nothing from before it


@pytest.mark.parametrize("table", [each for each in SHOWN if each in RUN], ids=lambda table: table.full_name)
def test_a_table_has_one_check_with_a_verdict(page: Page, ui, table):
    name, blocking = _check(table)

    page.goto(f"{ui}/assets/{table.full_name.replace('.', '/')}/?view=checks", wait_until="domcontentloaded")

    expect(page.get_by_text("Checks (1)")).to_be_visible()
    expect(page.get_by_text(name, exact=True).first).to_be_visible()
    expect(page.get_by_text("Latest execution")).to_be_visible()
    expect(page.get_by_text("This is a blocking asset check")).to_have_count(int(blocking))


def test_the_ui_is_told_the_verdict_on_every_table(ui):
    told = {".".join(node["assetKey"]["path"]): node for node in _asked(ui, VERDICTS)["assetNodes"]}
    for table in RUN:
        (check,) = told[table.full_name]["assetChecksOrError"]["checks"]
        assert (check["name"], check["blocking"]) == _check(table)
        assert check["executionForLatestMaterialization"]["status"] in {"SUCCEEDED", "FAILED"}, table.full_name


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
