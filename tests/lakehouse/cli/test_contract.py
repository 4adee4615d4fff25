"""`lakehouse contract show` and `export`: what a contract says to people and to other programs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lakehouse.project import Lakehouse
from tests.lakehouse.cli.conftest import lakehouse

CONTRACTS = Lakehouse.open().contracts
FILES = CONTRACTS.files()
TABLES = Path(__file__).parents[3] / "docs" / "tables"

# The Open Data Contract Standard 3.0.2: the properties its JSON schema allows, and those it requires.
CONTRACT = (
    {"version", "kind", "apiVersion", "id", "status"},
    {"name", "tenant", "tags", "servers", "dataProduct", "description", "domain", "schema", "support", "price"}
    | {"team", "roles", "slaDefaultElement", "slaProperties", "authoritativeDefinitions", "customProperties"}
    | {"contractCreatedTs"},
)
_ELEMENT = {"physicalType", "description", "businessName", "authoritativeDefinitions", "tags", "customProperties"}
OBJECT = (
    {"name"},
    _ELEMENT | {"logicalType", "physicalName", "dataGranularityDescription", "properties", "quality"},
)
PROPERTY = (
    {"name"},
    _ELEMENT
    | {"primaryKey", "primaryKeyPosition", "logicalType", "logicalTypeOptions", "required", "unique", "partitioned"}
    | {"partitionKeyPosition", "classification", "encryptedName", "transformSourceObjects", "transformLogic"}
    | {"transformDescription", "examples", "criticalDataElement", "quality"},
)
QUALITY = (
    {"engine", "implementation"},
    {"authoritativeDefinitions", "businessImpact", "customProperties", "description", "dimension", "method", "name"}
    | {"schedule", "scheduler", "severity", "tags", "type", "unit"},
)
_BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"}
OPTIONS = {
    "string": {"minLength", "maxLength", "pattern", "format"},
    "date": _BOUNDS,
    "integer": _BOUNDS | {"multipleOf"},
    "number": _BOUNDS | {"multipleOf"},
    "boolean": set(),
}
DIMENSIONS = {"accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness"}


def fits(found: dict, allowed: tuple[set[str], set[str]]) -> bool:
    required, optional = allowed
    return required <= set(found) <= required | optional


def check_quality(rules: list[dict]) -> int:
    for rule in rules:
        assert fits(rule, QUALITY), rule
        assert (rule["type"], rule["dimension"] in DIMENSIONS) == ("custom", True)
        assert all(set(own) == {"property", "value"} for own in rule["customProperties"])
    return len(rules)


@pytest.mark.parametrize("name", CONTRACTS.tables())
def test_a_data_contract_has_the_shape_of_the_standard_and_every_rule(name):
    found = yaml.safe_load(FILES[f"{name}.odcs.yaml"])
    assert fits(found, CONTRACT)
    assert (found["apiVersion"], found["kind"], found["name"]) == ("v3.0.2", "DataContract", name)
    assert set(found["description"]) <= {"usage", "purpose", "limitations"}
    (table,) = found["schema"]
    assert fits(table, OBJECT)
    rules = check_quality(table["quality"])
    for column in table["properties"]:
        assert fits(column, PROPERTY), column
        assert set(column.get("logicalTypeOptions", {})) <= OPTIONS[column["logicalType"]]
        rules += check_quality(column.get("quality", []))
    about = CONTRACTS.describe(name)
    assert rules == len(about["rules"])
    keys = {column["primaryKeyPosition"]: column["name"] for column in table["properties"] if "primaryKey" in column}
    assert [keys[place] for place in sorted(keys)] == about["key"]


def test_bounds_are_in_the_standards_own_words_unless_they_only_warn():
    (table,) = yaml.safe_load(FILES["silver.transactions.odcs.yaml"])["schema"]
    options = {column["name"]: column.get("logicalTypeOptions") for column in table["properties"]}
    assert options["quantity"] == {"format": "i32", "minimum": -100_000, "maximum": 100_000}
    assert options["stock_code"] is None


def test_a_unit_is_a_property_of_its_own_where_there_is_one():
    (table,) = yaml.safe_load(FILES["silver.transactions.odcs.yaml"])["schema"]
    units = {column["name"]: column.get("customProperties") for column in table["properties"]}
    assert units["amount"] == [{"property": "unit", "value": "GBP"}]
    assert units["country"] is None


def test_the_pages_of_the_tables_are_up_to_date():
    files = {file.name: file.read_text(encoding="utf-8") for file in TABLES.iterdir()}
    assert files == FILES, "run `lakehouse contract export`"
    metrics = CONTRACTS.metrics_page(TABLES.name)
    assert TABLES.with_name("metrics.md").read_text(encoding="utf-8") == metrics, "run `lakehouse contract export`"


def test_every_metric_is_on_the_page_with_the_tables_that_have_it():
    lines = CONTRACTS.metrics_page("tables").splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    names = [row.split("`")[1] for row in rows]
    assert names == sorted(names)
    assert (
        "| `margin_rate` | share | margin as a share of the revenue it is made of; none where that is not positive | "
        "`margin / costed_revenue, rounded half up` | "
        "[product_performance](tables/gold.product_performance.md) |"
    ) in rows
    (closing,) = [row for row in rows if row.startswith("| `closing`")]
    assert closing.endswith(
        "[inventory_levels](tables/gold.inventory_levels.md), [low_stock_alerts](tables/gold.low_stock_alerts.md) |"
    )


def test_a_contract_is_shown_with_what_each_rule_does(lake_root):
    shown = lakehouse(lake_root, "contract", "show", "silver.transactions").out
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "row:sale_has_units reject a sale has units" in lines
    assert "customer_id:references warn customer_id is found in silver.customers.customer_id" in lines
    assert "quantity int no Quantity units units sold, negative when returned" in lines
    about = lakehouse(lake_root, "contract", "show", "silver.transactions", "--json").data
    assert (about["key"], about["partition"], about["made_from"]) == (
        ["line_id"],
        "business_date",
        ["bronze.transactions"],
    )
    assert {"name": "day:volume", "when_broken": "warn"}.items() <= about["rules"][-4].items()


def test_an_export_goes_to_the_folder_that_is_named(tmp_path):
    answer = lakehouse(tmp_path, "contract", "export", "--out", str(tmp_path / "made" / "here"))
    assert sorted(file.name for file in (tmp_path / "made" / "here").iterdir()) == sorted(FILES)
    assert (tmp_path / "made" / "metrics.md").read_text(encoding="utf-8").count("](here/gold.") > 45
    assert answer.out.startswith(f"{len(FILES)} files in ")


def test_a_table_without_a_contract_is_one_sentence(lake_root):
    refused = lakehouse(lake_root, "contract", "show", "bronze.transactions")
    assert refused.code == 1
    assert "bronze.transactions has no contract; these have: silver.clicks, silver.customers, " in refused.err
