"""How a table becomes a Dagster asset: its body, its checks, its automation.

Belongs here: the order of publishing and reporting, and which partitions a run reports. What the UI shows of a table
is for ``asset_metadata``; what becomes of a row, for ``publication``.

Annotations are evaluated here (no ``from __future__ import annotations``): Dagster reads those of a body's context.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from lakehouse.contracts.contract import fresh_within_of
from lakehouse.delta.system_tables import QUARANTINE
from lakehouse.ingestion.batches import Ingested
from lakehouse.lineage.columns import Lineage, lineage_of
from lakehouse.orchestration import asset_metadata
from lakehouse.orchestration.automation_condition import promote
from lakehouse.orchestration.instance.events import (
    latest_materializations,
    record_check_evaluations,
    record_materializations,
)
from lakehouse.orchestration.partitions import Calendars, mapping
from lakehouse.publication.publish import Publication, unreported
from lakehouse.quarantine.table import unaccounted
from lakehouse.tables.declarations import BronzeTable, ContractTable, ManagedTable, Scd2Table, Table, pool_of
from lakehouse.tables.inputs import gating_inputs, required, waits_for_all
from lakehouse.tables.publishing import publish_table

AUDIT = "audit"
"""The blocking check of silver and gold tables: the verdict on a partition before it was committed."""
READABLE = "readable"
"""The check of bronze tables, a warning: every record that landed could be read."""
ACCOUNTED = "accounted"
"""The check of quarantine: it holds what the audits rejected, no more and no less."""

_REPORTED = "lakehouse/reported"
"""The cursors that say up to which version a table's commits have been reported."""
_RETRIES = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL)
"""For storage that is away for a moment. A held partition is no error and is not retried."""


def asset_key(table: str) -> dg.AssetKey:
    """Return the asset of a table: ``silver.transactions`` is ``silver/transactions``."""
    return dg.AssetKey(table.split("."))


def landing_asset(table: BronzeTable) -> dg.AssetSpec:
    """Return the landing files of a bronze table, where lineage starts."""
    return dg.AssetSpec(
        dg.AssetKey(["landing", table.name]),
        description=f"Files that the source `{table.name}` drops into the landing zone.",
        group_name="landing",
        kinds={"file"},
    )


def bronze_asset(table: BronzeTable, calendars: Calendars, lineage: Lineage) -> dg.AssetsDefinition:
    """Return the asset of a bronze table. A run takes in the files of its partitions' landing dates."""
    key, calendar = asset_key(table.full_name), calendars.of(table.partition_column)

    def body(context: dg.AssetExecutionContext) -> Iterator[Any]:
        lakehouse = context.resources.lakehouse
        ingestion = lakehouse.ingestion(table.source)
        own = [dt.date.fromisoformat(day) for day in context.partition_keys]
        ingested = ingestion.run(
            own,
            run_id=context.run.run_id,
            progress=lambda file: context.log.info(f"{table.full_name}: file {file.done} of {file.total}, {file.key}"),
        )
        for file in ingested.skipped:
            context.log.warning(f"{file} was being written to; it is taken by a later run")
        for note in ingested.notes:
            context.log.warning(f"{table.full_name}: {note}")
        yield from _report_ingested(context, table, lineage, own, ingested)
        ingestion.confirm()

    asset: dg.AssetsDefinition = dg.asset(
        **_declaration(table, lineage),
        partitions_def=calendar,
        deps=[dg.AssetKey(["landing", table.name])],
        check_specs=[
            dg.AssetCheckSpec(
                READABLE,
                asset=key,
                blocking=False,
                partitions_def=calendar,
                description="Every record of the day's landing files could be read. A warning: bronze keeps them all.",
            )
        ],
    )(body)
    return asset


def _report_ingested(
    context: dg.AssetExecutionContext, table: BronzeTable, lineage: Lineage, own: list[dt.date], ingested: Ingested
) -> Iterator[Any]:
    """Report every day whose rows changed, and the run's own days that were never reported.

    A day of the run whose files have not changed is not reported, so nothing downstream of it is built again.
    """
    key = asset_key(table.full_name)
    before = latest_materializations(context.instance, key, [str(day) for day in own])
    unreported = {day for day in own if str(day) not in before}
    # An instance that has never seen a day may not have seen the other days that its files fill either.
    filled = {day for file in ingested.newest if file["landing_date"] in unreported for day in file["business_dates"]}
    changed = ingested.dates | unreported | filled
    whole = changed.issuperset(own)
    metadata = {day: asset_metadata.ingested_metadata(ingested, day) for day in changed}
    if metadata:
        metadata[_reported_last(own, changed)] |= asset_metadata.lineage_metadata(table, lineage)
    others = sorted(changed - set(own)) if whole else sorted(changed)
    record_materializations(
        context, [dg.AssetMaterialization(key, partition=str(day), metadata=metadata[day]) for day in others]
    )
    if whole:
        for day in own:
            context.add_asset_metadata(metadata[day], partition_key=str(day))
        yield dg.Output(None)
    landed: dict[dt.date, list[Mapping[str, Any]]] = {day: [] for day in own}
    for file in ingested.newest:
        landed[file["landing_date"]].append(file)
    verdicts = {str(day): asset_metadata.readable(landed[day]) for day in own}
    yield from _report_verdicts(context, key, READABLE, verdicts, blocking=False)


def contract_asset(table: ContractTable, calendars: Calendars, tables: Mapping[str, Table]) -> dg.AssetsDefinition:
    """Return the asset of a silver or gold table.

    Args:
        table: the table.
        calendars: the lakehouse's calendars.
        tables: every table, by full name.
    """
    key, calendar = asset_key(table.full_name), calendars.of(table.partition_column)
    window = fresh_within_of(table.terms.contract)
    columns = {name: each.partition_column for name, each in tables.items()}
    lineage = lineage_of(tuple(tables.values()))
    mappings = {
        parameter: mapping(columns[name], table.partition_column)
        for parameter, name in table.inputs.items()
        if name != table.full_name
    }

    def body(context: dg.AssetExecutionContext, **inputs: Any) -> Iterator[Any]:
        engine = context.resources.lakehouse.engine
        _note_reported(context, table, if_new=True)
        with engine.measured() as cost:
            publication = publish_table(
                engine,
                tables,
                table,
                [dt.date.fromisoformat(day) for day in context.partition_keys],
                unreported=_left_unreported(context, table),
                inputs=inputs,
                run_id=context.run.run_id,
                report=context.log.info,
            )
        if table.layer == "silver":
            _report_quarantined(context, publication)
        followers = [
            other
            for other in tables.values()
            if isinstance(other, ContractTable) and other is not table and table.full_name in other.inputs.values()
        ]
        yield from _report_published(context, table, lineage, followers, publication, cost)

    asset: dg.AssetsDefinition = dg.asset(
        **_declaration(table, lineage),
        partitions_def=calendar,
        # A run of a table that reads more than its own partitions finds out itself which, and reads them.
        ins={}
        if table.reads
        else {
            parameter: dg.AssetIn(
                key=asset_key(table.inputs[parameter]), partition_mapping=each, input_manager_key="delta"
            )
            for parameter, each in mappings.items()
        },
        deps=[
            dg.AssetDep(asset_key(table.inputs[parameter]), partition_mapping=each)
            for parameter, each in mappings.items()
        ]
        if table.reads
        else [],
        automation_condition=promote(
            [asset_key(name) for name in gating_inputs(table)],
            all_of_them=waits_for_all(table, columns),
            gated=any(columns[name] != table.partition_column for name in required(table)),
        ),
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=window) if window else None,
        check_specs=[
            dg.AssetCheckSpec(
                AUDIT,
                asset=key,
                blocking=True,
                partitions_def=calendar,
                description="The verdict on a partition before its commit; a held one keeps its last good version.",
            )
        ],
    )(body)
    return asset


def daily_job(source: BronzeTable, tables: Sequence[ContractTable]) -> Any:
    """Return the job of a source: its bronze table and every daily table that follows from it, in one run."""
    chain = {source.full_name}
    for _ in tables:  # as many rounds as a chain can be long
        chain |= {
            table.full_name
            for table in tables
            if table.partition_column == source.partition_column and chain.intersection(required(table))
        }
    return dg.define_asset_job(
        source.name,
        selection=dg.AssetSelection.assets(*[asset_key(name) for name in sorted(chain)]),
        description=f"Takes in landing files of `{source.name}` and publishes the daily tables that follow from them.",
    )


def side_asset(
    table: ManagedTable, tables: Sequence[ContractTable], calendars: Calendars, lineage: Lineage
) -> dg.AssetSpec:
    """Return the asset of a table that the runs of its layer's other tables write and report, from the same inputs."""
    inputs = {name for other in tables if other.layer == table.layer for name in other.inputs.values()}
    return dg.AssetSpec(
        asset_key(table.full_name),
        description=table.description,
        deps=[asset_key(name) for name in sorted(inputs)],
        group_name=table.layer,
        kinds=asset_metadata.kinds(table),
        owners=[table.owner],
        partitions_def=calendars.of(table.partition_column),
        metadata=asset_metadata.definition_metadata(table, lineage),
    )


def quarantine_check() -> dg.AssetChecksDefinition:
    """Return quarantine's check: each audited partition has as many rows in it as its newest audit rejected."""

    @dg.asset_check(
        asset=asset_key(QUARANTINE.name),
        name=ACCOUNTED,
        description="Quarantine holds exactly the rows that the newest audit of each partition rejected.",
        required_resource_keys={"lakehouse"},
    )
    def body(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        differences = unaccounted(context.resources.lakehouse.engine)
        return dg.AssetCheckResult(
            passed=not differences,
            metadata={"differences": len(differences)},
            description="\n".join(differences[:20]) or None,
        )

    return body


def _declaration(table: Table, lineage: Lineage) -> dict[str, Any]:
    return {
        "key": asset_key(table.full_name),
        "description": table.description,
        "group_name": table.layer,
        "kinds": asset_metadata.kinds(table),
        "owners": [table.owner],
        "metadata": asset_metadata.definition_metadata(table, lineage),
        "backfill_policy": dg.BackfillPolicy.single_run(),
        "pool": pool_of(table.full_name),
        "retry_policy": _RETRIES,
        "output_required": False,
        "io_manager_key": "delta",
        "required_resource_keys": {"lakehouse"},
        "op_tags": {"table": table.full_name},
    }


def _report_published(
    context: dg.AssetExecutionContext,
    table: ContractTable,
    lineage: Lineage,
    followers: Sequence[ContractTable],
    publication: Publication,
    cost: Mapping[str, float],
) -> Iterator[Any]:
    """Report the partitions that were published as materialized, and every partition's verdict.

    A run that leaves one of its own partitions as it is, or holds it, yields no output, which stops what follows in
    the run; what it published is reported one by one, and automation promotes exactly that. But a partition that is
    left as it is counts as reported where a follower is in the same run: that may have been requested because of
    another input, and a step that is skipped would not be requested for it again. And where nothing follows it at all:
    automation then sees that it is younger than the inputs made in the same run. A dimension's partitions are days on
    which something else may hold now; what is made of the run's own days follows in the run.
    """
    key, own = asset_key(table.full_name), [dt.date.fromisoformat(day) for day in context.partition_keys]
    if isinstance(table, Scd2Table):
        days = {*publication.affected, *(day for day in own if day not in publication.held)}
    else:
        same = publication.unchanged.intersection(own)
        selected = context.job_def.asset_layer.selected_asset_keys
        counts = not followers or any(asset_key(other.full_name) in selected for other in followers)
        days = {*publication.published, *(same if counts else _never_reported(context, key, same))}
    days |= {day for day in _left_unreported(context, table) if day not in publication.held}
    metadata = {str(day): asset_metadata.published_metadata(publication, day) for day in sorted(days)}
    if metadata:  # what a run cost is said once, too
        metadata[str(_reported_last(own, days))] |= {**asset_metadata.lineage_metadata(table, lineage), **cost}
    whole = days.issuperset(own)
    record_materializations(
        context,
        [
            dg.AssetMaterialization(key, partition=day, metadata=about)
            for day, about in metadata.items()
            if not whole or day not in context.partition_keys
        ],
    )
    if whole:
        for day in own:
            context.add_asset_metadata(metadata[str(day)], partition_key=str(day))
        yield dg.Output(None)
    _note_reported(context, table)
    judged = sorted({*publication.tallies, *own})
    verdicts = {str(day): asset_metadata.audited(publication, day) for day in judged}
    yield from _report_verdicts(context, key, AUDIT, verdicts, blocking=True)


def _reported_last(own: Sequence[dt.date], days: Collection[dt.date]) -> dt.date:
    """Return the day whose materialization will be the newest: the UI reads lineage from that one.

    The run's own days come last, if it reports all of them.
    """
    return max(own if {*days}.issuperset(own) else days)


def _never_reported(context: dg.AssetExecutionContext, key: dg.AssetKey, days: Iterable[dt.date]) -> set[dt.date]:
    """Return the days that this instance has not been told of, though the table has long had them."""
    reported = latest_materializations(context.instance, key, [str(day) for day in days])
    return {day for day in days if str(day) not in reported}


def _left_unreported(context: dg.AssetExecutionContext, table: ContractTable) -> list[dt.date]:
    """Return what runs that died between commit and report had to say."""
    noted = f"{_REPORTED}/{table.full_name}"
    since = context.instance.daemon_cursor_storage.get_cursor_values({noted}).get(noted)
    return unreported(context.resources.lakehouse.engine, table.full_name, int(since)) if since else []


def _note_reported(context: dg.AssetExecutionContext, table: ContractTable, *, if_new: bool = False) -> None:
    """Note that all commits of a table so far have been reported to this instance; ``if_new``: unless it knows some."""
    noted, storage = f"{_REPORTED}/{table.full_name}", context.instance.daemon_cursor_storage
    if table.layer == "gold" and not (if_new and storage.get_cursor_values({noted})):
        version = context.resources.lakehouse.engine.version(table.full_name)
        storage.set_cursor_values({noted: str(version or 0)})


def _report_verdicts(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    check: str,
    verdicts: Mapping[str, asset_metadata.Verdict],
    *,
    blocking: bool,
) -> Iterator[dg.AssetCheckResult]:
    """Report a check's verdict on each partition, and the result that Dagster asks of the step."""
    severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
    own = context.partition_keys
    single = own[0] if len(own) == 1 else None
    recorded = {day: verdict for day, verdict in verdicts.items() if day != single}
    targets = latest_materializations(context.instance, key, list(recorded)) if recorded else {}
    record_check_evaluations(
        context,
        [
            dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=check,
                passed=verdict.passed,
                partition=day,
                blocking=blocking,
                severity=severity,
                metadata=verdict.metadata,
                description=verdict.description,
                target_materialization_data=targets.get(day),
            )
            for day, verdict in recorded.items()
        ],
    )
    if single is None:
        failed = {day: verdict for day, verdict in verdicts.items() if not verdict.passed and day in own}
        description = "\n".join(f"{day}: {verdict.description}" for day, verdict in failed.items()) or None
        yield dg.AssetCheckResult(check_name=check, passed=not failed, severity=severity, description=description)
        return
    yield dg.AssetCheckResult(
        check_name=check,
        passed=verdicts[single].passed,
        severity=severity,
        metadata=verdicts[single].metadata,
        description=verdicts[single].description,
    )


def _report_quarantined(context: dg.AssetExecutionContext, publication: Publication) -> None:
    """Report the partitions that have rejected rows, or had some until this run, with how many there are now."""
    rejected = {
        day: tally.rejected
        for day, tally in publication.tallies.items()
        if tally.rejected or day in publication.rewritten
    }
    record_materializations(
        context,
        [
            dg.AssetMaterialization(
                asset_key(QUARANTINE.name), partition=str(day), metadata={"dagster/partition_row_count": rows}
            )
            for day, rows in rejected.items()
        ],
    )
