"""Maintenance: the jobs that rewrite small files at night and delete old ones at the weekend.

Belongs here: how Delta's operations become Dagster jobs, and when they run. What they do is for
``lakehouse.delta.maintenance``; by hand they are done with ``lakehouse maintain``.

Each table is a step of its own in the table's pool, the one that its asset is in, so that a step waits for a writer and
a writer for a step. What several assets write is in no asset's pool. The registry and the ledger are only appended to,
which collides with nothing. Quarantine is written by partition, of which an optimization rewrites only those with
several small files; whoever commits second there is refused, has changed nothing, and is tried again.

Annotations are evaluated here (no ``from __future__ import annotations``): Dagster reads those of a body's context.
"""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from lakehouse.delta.model import MissingTableError
from lakehouse.delta.system_tables import DECISIONS, FILES, LEDGER
from lakehouse.engines.base import Engine
from lakehouse.tables.declarations import pool_of

SYSTEM_TABLES = (FILES.name, LEDGER.name, DECISIONS.name)
"""The tables that are no assets."""

_RETRIES = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL)
"""For a table whose files another commit has replaced meanwhile."""

Work = Callable[[Engine, str, str], tuple[str, dict[str, Any]]]
"""What is done to a table, by name, in a run, by id; it returns what it came to, in words and in figures."""


def maintenance_jobs(tables: Sequence[str]) -> list[dg.JobDefinition]:
    """Return the jobs that look after some tables."""
    return [
        _job(
            "optimize_tables",
            [*tables, *SYSTEM_TABLES],
            _optimized,
            "Makes few large files of many small ones, table by table. No row changes, and partitions that need "
            "nothing are left alone.",
        ),
        _job(
            "vacuum_tables",
            [*tables, *SYSTEM_TABLES],
            _vacuumed,
            "Deletes the files that no version of the last week needs, and those of writes that never came to a "
            "commit. Older versions cannot be read afterwards.",
        ),
    ]


def maintenance_schedules(jobs: Sequence[dg.JobDefinition]) -> list[dg.ScheduleDefinition]:
    """Return the schedules of the jobs: optimize every night, vacuum every Sunday.

    The nightly one runs from the start: it takes nothing away. The weekly one waits to be switched on, for it ends time
    travel beyond a week, which Delta does only when told.
    """
    when = {
        "optimize_tables": ("30 2 * * *", dg.DefaultScheduleStatus.RUNNING),
        "vacuum_tables": ("30 3 * * 0", dg.DefaultScheduleStatus.STOPPED),
    }
    return [
        dg.ScheduleDefinition(
            name=job.name,
            job=job,
            cron_schedule=when[job.name][0],
            execution_timezone="UTC",
            default_status=when[job.name][1],
            description=job.description,
        )
        for job in jobs
    ]


def _job(name: str, tables: Sequence[str], work: Work, description: str) -> dg.JobDefinition:
    steps = [_step(name, table, work) for table in tables]

    @dg.job(name=name, description=description, executor_def=dg.in_process_executor)
    def job() -> None:
        for step in steps:
            step()

    return job


def _step(job: str, table: str, work: Work) -> dg.OpDefinition:
    verb = job.partition("_")[0]

    @dg.op(
        name=f"{verb}__{pool_of(table)}",
        description=f"{verb} {table}",
        pool=pool_of(table),
        retry_policy=_RETRIES,
        required_resource_keys={"lakehouse"},
        tags={"table": table},
        out=dg.Out(dg.Nothing),
    )
    def step(context: dg.OpExecutionContext) -> dg.Output[None]:
        try:
            said, figures = work(context.resources.lakehouse.engine, table, context.run_id)
        except MissingTableError:
            said, figures = "has never been written", {}
        context.log.info(f"{table}: {said}")
        return dg.Output(None, metadata=figures)

    return step


def _optimized(engine: Engine, table: str, run_id: str) -> tuple[str, dict[str, Any]]:
    done = engine.optimize(table, metadata={"run_id": run_id})
    figures = {
        "partitions_rewritten": done.partitions,
        "files_before": done.files[0],
        "files_after": done.files[1],
        "bytes_before": done.bytes[0],
        "bytes_after": done.bytes[1],
        "delta_version": done.version,
    }
    if not done.partitions:
        return "nothing to do", figures
    return f"{done.files[0]} files of {done.partitions} partitions are {done.files[1]} now", figures


def _vacuumed(engine: Engine, table: str, run_id: str) -> tuple[str, dict[str, Any]]:
    done = engine.vacuum(table, metadata={"run_id": run_id})
    figures = {"files_deleted": done.files, "bytes_deleted": done.bytes}
    if not done.files:
        return "nothing to do", figures
    return f"{done.files} files of {done.bytes:,} bytes are deleted", figures
