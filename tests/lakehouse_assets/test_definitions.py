"""The code location as a whole: what is in it, and that loading it opens nothing."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from dataclasses import replace

import dagster as dg
import pytest

from lakehouse.delta.model import ClusteredTableError
from lakehouse.orchestration.asset_factory import asset_key
from lakehouse.settings import Settings
from lakehouse_assets import definitions
from lakehouse_assets.definitions import build_defs, find_tables
from tests.line import Line

TABLES = {
    "bronze.clicks",
    "bronze.customers",
    "bronze.inventory",
    "bronze.products",
    "bronze.transactions",
    "silver.clicks",
    "silver.customers",
    "silver.inventory",
    "silver.products",
    "silver.transactions",
    "gold.conversion_funnel",
    "gold.customer_days",
    "gold.customer_features",
    "gold.customer_months",
    "gold.customer_segments",
    "gold.daily_sales_summary",
    "gold.dim_customers",
    "gold.dim_date",
    "gold.dim_products",
    "gold.fact_returns",
    "gold.fact_sales",
    "gold.inventory_levels",
    "gold.low_stock_alerts",
    "gold.monthly_sales_summary",
    "gold.product_performance",
    "gold.sales_by_product",
    "gold.sales_by_region",
    "gold.sessions",
    "gold.weekly_sales_summary",
}
SOURCES = ("clicks", "customers", "inventory", "products", "transactions")


@pytest.fixture
def line(landing_root) -> Line:
    """The definitions of every table over an empty lake."""
    return Line(landing_root, tables=[*TABLES, "silver.quarantine"])


def test_a_table_with_clusters_is_refused_unless_the_engine_is_spark(monkeypatch, lake_root):
    tables = find_tables()
    chosen = next(table for table in tables if table.full_name == "gold.sales_by_region")
    clustered = replace(chosen, terms=replace(chosen.terms, cluster_by=("business_date", "country")))
    assert clustered.terms.layout.partition_by == ()
    assert clustered.terms.layout.cluster_by == ("business_date", "country")
    monkeypatch.setattr(definitions, "find_tables", lambda: [clustered if each is chosen else each for each in tables])
    with pytest.raises(ClusteredTableError, match=r"gold\.sales_by_region is clustered, .*LAKEHOUSE_ENGINE=spark"):
        build_defs(Settings(root=str(lake_root)))
    assert build_defs(Settings(root=str(lake_root), engine="spark"))


def test_every_file_of_the_layers_is_found_once():
    names = [table.full_name for table in find_tables()]
    assert sorted(names) == sorted({*TABLES, "silver.quarantine"})


def test_every_table_its_landing_files_and_quarantine_are_assets(line):
    keys = {".".join(key.path) for key in line.defs.resolve_asset_graph().get_all_asset_keys()}
    landing = {f"landing.{source}" for source in SOURCES}
    assert keys == TABLES | landing | {"silver.quarantine"}


def test_every_table_has_one_check_of_its_own_partitions(line):
    graph = line.defs.resolve_asset_graph()
    checks = {".".join(key.asset_key.path): key.name for key in graph.asset_check_keys}
    expected = {table: "readable" if table.startswith("bronze.") else "audit" for table in TABLES}
    assert checks == {**expected, "silver.quarantine": "accounted"}
    for key in graph.asset_check_keys:
        if key.name == "accounted":
            continue  # over the whole table
        node = graph.get(key)
        assert node.blocking is (key.name == "audit")
        assert node.partitions_def == graph.get(key.asset_key).partitions_def


def test_what_is_derived_is_automatic_and_what_lands_is_not(line):
    graph = line.defs.resolve_asset_graph()
    automatic = {table for table in TABLES if graph.get(asset_key(table)).automation_condition is not None}
    assert automatic == {table for table in TABLES if not table.startswith("bronze.")}


def test_a_range_of_any_table_is_one_run_and_a_table_has_one_writer(line):
    for table in TABLES:
        definition = line.defs.resolve_assets_def(asset_key(table))
        assert definition.backfill_policy == dg.BackfillPolicy.single_run()
        assert definition.node_def.pools == {table.replace(".", "_")}


def test_a_job_takes_a_source_to_its_daily_tables(line):
    selected = {
        job: {".".join(key.path) for key in line.defs.resolve_job_def(job).asset_layer.selected_asset_keys}
        for job in SOURCES
    }
    gold = {
        "transactions": {
            "customer_days",
            "daily_sales_summary",
            "dim_customers",
            "dim_products",
            "fact_returns",
            "fact_sales",
            "inventory_levels",
            "low_stock_alerts",
            "sales_by_product",
            "sales_by_region",
        },
        "clicks": {"dim_products", "sessions", "conversion_funnel"},
        "customers": {"dim_customers"},
        "inventory": {"dim_products", "inventory_levels", "low_stock_alerts"},
        "products": {"dim_products"},
    }
    assert selected == {
        source: {f"bronze.{source}", f"silver.{source}", *[f"gold.{name}" for name in names]}
        for source, names in gold.items()
    }


def test_the_sensors_run_from_the_start(line):
    sensors = {sensor.name: sensor for sensor in line.defs.sensors}
    assert set(sensors) == {"landing", "automation"}
    assert {sensor.default_status for sensor in sensors.values()} == {dg.DefaultSensorStatus.RUNNING}
    assert {sensor.minimum_interval_seconds for sensor in sensors.values()} == {3}


def test_the_definitions_are_valid(line):
    dg.Definitions.validate_loadable(line.defs)


def test_loading_needs_no_network_no_credentials_and_no_session(tmp_path):
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('opened a connection')\n"
        "socket.socket.connect = refuse\n"
        "from lakehouse_assets.definitions import defs\n"
        "import dagster as dg\n"
        "dg.Definitions.validate_loadable(defs())\n"
        "print(sorted(name for name in ('pysail', 'deltalake', 'duckdb', 'boto3', 'dagster_aws', 'pandas') "
        "if name in sys.modules and name != 'pandas'))\n"
    )
    environment = {"LAKEHOUSE_ROOT": "s3://no-such-bucket/lake", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_a_lake_that_does_not_exist_yet_is_not_made_by_looking_at_it(lake_root):
    build_defs(Settings.load())
    assert not lake_root.exists()


def test_a_table_is_late_when_its_contract_says_so():
    graph = build_defs(Settings.load()).resolve_asset_graph()
    policies = {node.key.to_user_string(): node.freshness_policy for node in graph.asset_nodes}
    late = {table: policy.fail_window.to_timedelta() for table, policy in policies.items() if policy}
    assert late == {"silver/transactions": dt.timedelta(days=3)}
