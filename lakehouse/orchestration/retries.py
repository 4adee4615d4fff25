"""Retries: requests for runs that died, or failed, before they had taken their files and reported them.

Belongs here: what the landing sensor must remember beyond new objects. Dagster drops a request whose run key it has
seen, even if that run failed, so every attempt has a key of its own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from lakehouse.ingestion.batches import open_ingestion
from lakehouse.ingestion.staging import Source
from lakehouse.orchestration.landing_requests import ASKED, LandingRequest
from lakehouse.settings import Settings

ATTEMPTS = 6
FIRST_PAUSE = dt.timedelta(seconds=30)
"""The pause before the second attempt; it doubles with each, so that attempts reach over a quarter of an hour."""
_WINDOW = dt.timedelta(hours=2)
_FAILED_RUNS = 20


def interrupted(
    settings: Settings, sources: Sequence[Source], instance: dg.DagsterInstance, *, alone: bool
) -> list[LandingRequest]:
    """Return a request for each source whose last ingestion died before it had reported its days.

    Args:
        settings: which lakehouse.
        sources: its sources.
        instance: knows what became of the run that wrote the manifest.
        alone: nobody else runs, so a run that seems to be under way is dead.
    """
    requests = []
    for source in sources:
        manifest = open_ingestion(settings, source).interrupted()
        if manifest is None:
            continue
        run = instance.get_run_by_id(manifest.run_id)
        if alone or run is None or run.is_finished:
            asked = f"recover:{manifest.run_id}"
            attempts = instance.get_runs(RunsFilter(tags={ASKED: asked}))
            if alone or all(attempt.is_finished for attempt in attempts):
                days = manifest.landing_dates
                requests.append(LandingRequest(source.name, min(days), max(days), asked, attempt=len(attempts)))
    return requests


def failed(sources: Sequence[Source], instance: dg.DagsterInstance, now: dt.datetime) -> list[LandingRequest]:
    """Return a request for each landing run that failed in bronze, such as on storage that was away for a while.

    A run whose bronze went well has nothing to repeat: what follows, a held day among it, is automation's matter.
    """
    requests = []
    for source in sources:
        filters = RunsFilter(job_name=source.name, statuses=[DagsterRunStatus.FAILURE], updated_after=now - _WINDOW)
        for record in instance.get_run_records(filters, limit=_FAILED_RUNS):
            run = record.dagster_run
            asked = run.tags.get(ASKED)
            if asked is None or asked.startswith("recover:") or record.end_time is None:
                continue
            attempts = instance.get_runs(RunsFilter(tags={ASKED: asked}))
            ended = dt.datetime.fromtimestamp(record.end_time, tz=dt.UTC)
            is_due = ended + FIRST_PAUSE * 2 ** (len(attempts) - 1) <= now
            is_last = attempts[0].run_id == run.run_id and len(attempts) < ATTEMPTS
            if is_last and is_due and _failed_in_bronze(instance, run):
                requests.append(LandingRequest.of_run(run, asked, attempt=len(attempts)))
    return requests


def _failed_in_bronze(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    steps = instance.get_run_step_stats(run.run_id, [f"bronze__{run.job_name}"])
    return not any(step.status is not None and step.status.value == "SUCCESS" for step in steps)
