"""The code location: every table found in its folder, wired to the settings."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import dagster as dg

from io_managers.delta import DeltaIOManager
from lakehouse.delta.model import ClusteredTableError
from lakehouse.lineage.columns import lineage_of
from lakehouse.orchestration import asset_factory as assets
from lakehouse.orchestration.maintenance_jobs import maintenance_jobs, maintenance_schedules
from lakehouse.orchestration.partitions import Calendars
from lakehouse.settings import Settings
from lakehouse.tables import registry
from lakehouse.tables.declarations import BronzeTable, ContractTable, ManagedTable, Table
from resources.lakehouse import Lakehouse
from sensors.automation import automation_sensor
from sensors.landing import landing_sensor

# What is used of Dagster that it calls beta or preview, each worth a change when Dagster changes it: links to source,
# one run for a backfill, a verdict for each partition, weeks and months that reach beyond the calendar. Other such
# warnings are news and are shown.
for _told, _category in (
    ("Class `(LocalFileCodeReference|CodeReferencesMetadataValue)`", dg.BetaWarning),
    ("Parameter `(backfill_policy|allow_nonexistent_upstream_partitions)`", dg.BetaWarning),
    ("Specifying a partitions_def on an AssetCheckSpec", dg.PreviewWarning),
):
    warnings.filterwarnings("ignore", message=_told, category=_category)


def find_tables() -> list[Table]:
    """Return the tables of every file in the layers' folders, in their order."""
    return registry.find_tables(__package__)


def build_defs(settings: Settings, tables: Sequence[Table] | None = None) -> dg.Definitions:
    """Return the definitions of a lakehouse. Nothing is opened: no network, no session, no credentials.

    Args:
        settings: which lakehouse.
        tables: what it holds, with all that these tables read; every table there is unless said otherwise.

    Raises:
        ClusteredTableError: a table is declared with clusters, and the engine does not write them.
    """
    tables = find_tables() if tables is None else tables
    calendars = Calendars(settings.start_date)
    lineage = lineage_of(tuple(tables))
    by_name = {table.full_name: table for table in tables}
    sources = [table for table in tables if isinstance(table, BronzeTable)]
    derived = [table for table in tables if isinstance(table, ContractTable)]
    for table in derived:
        if table.terms.cluster_by and settings.engine != "spark":
            raise ClusteredTableError(table.full_name)
    jobs = [assets.daily_job(table, derived) for table in sources]
    upkeep = maintenance_jobs([table.full_name for table in tables])
    lakehouse = Lakehouse.of(settings)
    return dg.Definitions(
        assets=[
            *[assets.landing_asset(table) for table in sources],
            *[assets.bronze_asset(table, calendars, lineage) for table in sources],
            *[assets.contract_asset(table, calendars, by_name) for table in derived],
            *[
                assets.side_asset(table, derived, calendars, lineage)
                for table in tables
                if isinstance(table, ManagedTable)
            ],
        ],
        asset_checks=[assets.quarantine_check()],
        jobs=[*jobs, *upkeep],
        schedules=maintenance_schedules(upkeep),
        sensors=[landing_sensor([table.source for table in sources], jobs), automation_sensor()],
        resources={"lakehouse": lakehouse, "delta": DeltaIOManager(lakehouse=lakehouse)},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the lakehouse that the environment describes."""
    return build_defs(Settings.load())
