"""Retried requests: for runs that failed in bronze, and for ingestions that died before they reported."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import pytest

from lakehouse.ingestion import batches as ingestion
from lakehouse.ingestion import staging
from lakehouse.orchestration import asset_factory as assets
from lakehouse.orchestration.landing_requests import ASKED
from lakehouse.orchestration.retries import ATTEMPTS, FIRST_PAUSE, failed, interrupted
from tests.line import Line
from tests.scenario import day

ASKED_FIRST = "transactions:2011-03-01:2011-03-01:abc"


@pytest.fixture
def line(landing_root, monkeypatch) -> Line:
    monkeypatch.setattr(assets, "_RETRIES", dg.RetryPolicy(max_retries=2))  # the step's own retries need not wait
    return Line(landing_root)


def later(pauses: float = 1.1) -> dt.datetime:
    return dt.datetime.now(tz=dt.UTC) + FIRST_PAUSE * pauses


def run_asked(line: Line, asked: str = ASKED_FIRST):
    job = line.defs.resolve_job_def("transactions")
    return job.execute_in_process(
        instance=line.instance,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
        partition_key=str(day(1)),
        tags={ASKED: asked},
    )


@pytest.fixture
def storage_is_away(monkeypatch):
    def away(*_arguments, **_options):
        raise ConnectionError("storage is away")

    monkeypatch.setattr(staging, "stage", away)


@pytest.mark.usefixtures("storage_is_away")
def test_a_run_that_failed_in_bronze_is_asked_for_again_after_a_pause(line):
    line.land(1)
    assert not run_asked(line).success

    assert failed(line.sources, line.instance, dt.datetime.now(tz=dt.UTC)) == []
    (request,) = failed(line.sources, line.instance, later())

    assert (request.source, request.first, request.last) == ("transactions", day(1), day(1))
    assert request.run_key == f"{ASKED_FIRST}#1"


@pytest.mark.usefixtures("storage_is_away")
def test_the_pause_doubles_with_each_attempt_and_attempts_end(line):
    line.land(1)
    for attempt in range(1, ATTEMPTS):
        assert not run_asked(line).success
        assert failed(line.sources, line.instance, later(0.9 * 2 ** (attempt - 1))) == []
        (request,) = failed(line.sources, line.instance, later(1.1 * 2 ** (attempt - 1)))
        assert request.run_key == f"{ASKED_FIRST}#{attempt}"
    run_asked(line)

    assert failed(line.sources, line.instance, later(2**ATTEMPTS)) == []


def test_an_attempt_that_went_well_ends_the_matter(line, storage_is_away, monkeypatch):  # noqa: ARG001
    line.land(1)
    run_asked(line)
    monkeypatch.undo()

    assert run_asked(line).success

    assert failed(line.sources, line.instance, later()) == []


def test_a_run_whose_day_is_held_is_not_asked_for_again(line):
    line.land(1, {"InvoiceNo": "", "StockCode": ""})

    assert not run_asked(line).success

    assert failed(line.sources, line.instance, later()) == []


def test_a_recovery_that_dies_is_asked_for_under_another_key(line, monkeypatch):
    line.land(1)
    monkeypatch.setattr(ingestion.Ingestion, "confirm", lambda _self: None)  # nothing removes the manifest
    dead = run_asked(line)

    (first,) = interrupted(line.settings, line.sources, line.instance, alone=False)
    run_asked(line, first.asked)
    (second,) = interrupted(line.settings, line.sources, line.instance, alone=False)

    assert first.run_key == f"recover:{dead.run_id}"
    assert second.run_key != first.run_key
