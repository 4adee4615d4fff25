"""The daemon's loop without a daemon: scan, run what is requested, until nothing is.

Belongs here: the same landing scan, automation conditions and runs as under ``dagster dev``, in this process and in
order. Cursors are saved only after the runs they caused, and only if those did not fail, so neither a crash nor a full
disk loses a request: the next call requests it again. A backfill is noted before it begins and forgotten when it is
done, so that the next call completes it.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg

from lakehouse.errors import LakehouseError
from lakehouse.orchestration.declared_columns import declared_columns
from lakehouse.orchestration.instance.conditions import Conditions
from lakehouse.orchestration.landing_requests import LandingRequest
from lakehouse.orchestration.landing_scan import dump_cursors, scan
from lakehouse.orchestration.retries import interrupted

if TYPE_CHECKING:
    from lakehouse.ingestion.staging import Source
    from lakehouse.settings import Settings

_QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_LANDING_CURSOR, _AUTOMATION_CURSOR = "lakehouse/drain/landing", "lakehouse/drain/automation"
_UNFINISHED = "lakehouse/drain/unfinished"
_OPEN = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_GATE = "DagsterAssetCheckFailedError"


@dataclass(frozen=True)
class Run:
    """One Dagster run: what it materializes, from which partition to which.

    Attributes:
        run_id: Dagster's, as in the ledger and in commits.
        tables: their full names, such as ``silver.transactions``.
    """

    run_id: str
    tables: tuple[str, ...]
    first: str
    last: str


@dataclass(frozen=True)
class Progress:
    """What a run is doing.

    Attributes:
        run: the run at work.
        table: the table that works, or says something; empty when the run starts.
        message: what it says; empty when work on it begins.
    """

    run: Run
    table: str = ""
    message: str = ""


class StoppedError(LakehouseError):
    """A run ended because its caller asked it to."""

    code = "stopped"


@dataclass(frozen=True)
class Failure:
    """A table of a run that failed for another reason than a closed gate; nothing is lost, its days are behind."""

    table: str
    first: str
    last: str
    message: str


@dataclass
class RunReport:
    """What a call of the runner did.

    Attributes:
        runs: the runs it made.
        errors: the tables of runs that failed, other than by the gate closing.
        unroutable: keys of landing objects that name no known date.
        notes: what tables warned of, such as files with other columns than declared.
    """

    runs: list[Run] = field(default_factory=list)
    errors: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unroutable: tuple[str, ...] = ()


def run_until_idle(
    definitions: dg.Definitions,
    settings: Settings,
    sources: Sequence[Source],
    instance: dg.DagsterInstance,
    *,
    progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunReport:
    """Bring everything that has landed to gold.

    Args:
        definitions: the lakehouse's definitions.
        settings: where its tables and landing zone are.
        sources: its sources.
        instance: keeps runs, events and cursors.
        progress: told of each run before it starts, and of what tables log.
        should_stop: asked before and after each run; if so, ``StoppedError`` ends it, and the next call goes on.
    """
    _fail_orphaned_runs(instance)
    result = RunReport()
    runner = _Runner(definitions, instance, progress, should_stop, result)
    cursors = _Cursors(instance, result)
    if cursors.get(_AUTOMATION_CURSOR) is None:  # what happens before its first look is invisible to automation
        _automate(runner, cursors)
    for request in interrupted(settings, sources, instance, alone=True):
        runner.run_job(request)
    for request in declared_columns(settings, sources):
        runner.run_job(request)
    _resume_pending(runner, cursors)
    settled = -1  # whatever an earlier call has left is run, too, once what has landed is taken in
    while True:
        found = scan(settings, sources, cursors.get(_LANDING_CURSOR), instance)
        result.unroutable += found.unroutable
        for request in found.requests:
            runner.run_job(request, with_gold=len({each.source for each in found.requests}) == 1)
        cursors.set(_LANDING_CURSOR, dump_cursors(found.cursors))
        if len(result.runs) != settled:  # it was quiet when it last looked, and nothing has happened since
            _automate(runner, cursors)
            settled = len(result.runs)
        if not found.requests:
            return result


def backfill(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    partitions: Mapping[str, Iterable[str]],
    *,
    decide: Callable[[], None] = lambda: None,
    progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunReport:
    """Compute partitions of some tables again, and what automation requests after them; landing files are left alone.

    What an earlier call left unfinished, because its process died or a run failed, is computed with them.

    Args:
        definitions: the lakehouse's definitions.
        instance: keeps runs, events and cursors.
        partitions: partition keys by table, such as ``silver.transactions``.
        decide: records why the partitions are computed again; called once they are noted, so that no crash parts both.
        progress: told of each run before it starts, and of what tables log.
        should_stop: asked before and after each run, as by ``run_until_idle``.
    """
    due = {table: {*days} for table, days in pending_backfill(instance).items()}
    for table, days in partitions.items():
        due[table] = due.get(table, set()) | {*days}
    noted = json.dumps({table: sorted(days) for table, days in due.items() if days})
    instance.daemon_cursor_storage.set_cursor_values({_UNFINISHED: noted})
    decide()
    _fail_orphaned_runs(instance)
    result = RunReport()
    runner, cursors = _Runner(definitions, instance, progress, should_stop, result), _Cursors(instance, result)
    if cursors.get(_AUTOMATION_CURSOR) is None:
        _automate(runner, cursors)
    _resume_pending(runner, cursors)
    return result


def pending_backfill(instance: dg.DagsterInstance) -> dict[str, list[str]]:
    """Return the partition keys by table that ``backfill`` was called for, and that are not computed yet."""
    noted = instance.daemon_cursor_storage.get_cursor_values({_UNFINISHED}).get(_UNFINISHED)
    return json.loads(noted) if noted else {}


def _resume_pending(runner: _Runner, cursors: _Cursors) -> None:
    """Compute the noted partitions, and what follows from them; they are forgotten unless something failed."""
    due = pending_backfill(runner.instance)
    if not due:
        return
    graph = runner.definitions.resolve_asset_graph()
    failures = len(runner.result.errors)
    for table, days in due.items():
        key = dg.AssetKey(table.split("."))
        if not graph.has(key):  # it, or a day below, was taken out of the lakehouse since
            continue
        calendar: Any = graph.get(key).partitions_def
        known = {*days}.intersection(calendar.get_partition_keys())
        for keys, first, last in _ranges(calendar, {key: known}, _Materialized(runner.instance)):
            runner.run_tables(keys, first, last)
    _automate(runner, cursors)
    if len(runner.result.errors) == failures:
        runner.instance.daemon_cursor_storage.set_cursor_values({_UNFINISHED: "{}"})


class _Cursors:
    """How far the runner has looked. Once something fails nothing more is saved: the next call looks there again."""

    def __init__(self, instance: dg.DagsterInstance, result: RunReport) -> None:
        self._storage = instance.daemon_cursor_storage
        self._result = result
        self._here: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        return self._here.get(name) or self._storage.get_cursor_values({name}).get(name)

    def set(self, name: str, text: str) -> None:
        self._here[name] = text
        if not self._result.errors:
            self._storage.set_cursor_values({name: text})


class _Runner:
    """Runs jobs and tables in this process."""

    def __init__(
        self,
        definitions: dg.Definitions,
        instance: dg.DagsterInstance,
        progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
        result: RunReport,
    ) -> None:
        self.definitions = definitions
        self.instance = instance
        self._progress = progress
        self._should_stop = should_stop
        self._run: Run | None = None
        self.result = result

    def run_job(self, request: LandingRequest, *, with_gold: bool = True) -> None:
        """Run a source's job. Of several sources gold is made by automation, once for all of them."""
        job = self.definitions.resolve_job_def(request.source)
        keys = job.asset_layer.selected_asset_keys
        if not with_gold:
            keys = {key for key in keys if not _is_gold(key)}
            job = job.get_subset(asset_selection=keys)
        self._execute(job, keys, request.first.isoformat(), request.last.isoformat())

    def run_tables(self, keys: Sequence[dg.AssetKey], first: str, last: str) -> None:
        job = self.definitions.resolve_implicit_global_asset_job_def().get_subset(asset_selection={*keys})
        self._execute(job, keys, first, last)

    def _execute(self, job: dg.JobDefinition, keys: Iterable[dg.AssetKey], first: str, last: str) -> None:
        run = Run(str(uuid.uuid4()), tuple(sorted(".".join(key.path) for key in keys)), first, last)
        self._stop_if_asked()
        self._run = run
        self._progress(Progress(run))
        self.result.runs.append(run)
        self.instance.add_event_listener(run.run_id, self._listen)
        single = first == last
        done = job.execute_in_process(
            instance=self.instance,
            run_id=run.run_id,
            raise_on_error=False,
            run_config=_QUIET,
            partition_key=first if single else None,
            tags={}
            if single
            else {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
        )
        self._stop_if_asked()
        failed = done.filter_events(lambda event: event.is_step_failure)
        if not done.success and not failed:
            reasons = [event.message for event in done.filter_events(lambda event: event.is_failure)]
            self.result.errors.append(Failure(", ".join(run.tables), first, last, "; ".join(map(str, reasons))))
        for event in failed:
            error = event.step_failure_data.error
            cause = error.cause or error if error else None
            if cause is not None and _GATE not in {cause.cls_name, error.cls_name if error else None}:
                table = _table(event.step_key)
                self.result.errors.append(Failure(table, first, last, cause.message.strip()))

    def _stop_if_asked(self) -> None:
        if self._should_stop():
            raise StoppedError(
                "the run was stopped", hint="nothing is lost: the next run goes on where this one stopped"
            )

    def _say(self, table: str, message: str) -> None:
        if self._run is not None:
            self._progress(Progress(self._run, table, message))

    def _listen(self, entry: dg.EventLogEntry) -> None:
        event, table = entry.dagster_event, _table(entry.step_key)
        if event is None and table and entry.user_message.startswith(table):  # what our assets say; Dagster says more
            if int(entry.level) >= logging.WARNING:
                self.result.notes.append(entry.user_message)
            else:
                self._say(table, entry.user_message)
        elif event is not None and event.event_type is dg.DagsterEventType.STEP_START:
            self._say(table, "")


def _table(step_key: str | None) -> str:
    """Return the table a step makes: Dagster names the step of ``silver.transactions`` ``silver__transactions``."""
    return (step_key or "").replace("__", ".", 1)


def _fail_orphaned_runs(instance: dg.DagsterInstance) -> None:
    """End runs that a killed process left open: nobody else is at work on this lake, so they are dead.

    Their tables would count as in progress for ever, and the places they hold in the pools would never be free.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=_OPEN)):
        instance.report_run_failed(run, "The process of this run is gone.")
    storage = instance.event_log_storage
    for pool in storage.get_concurrency_keys() if storage.supports_global_concurrency_limits else ():
        places = storage.get_concurrency_info(pool)
        for run_id in places.active_run_ids | places.assigned_run_ids | places.pending_run_ids:
            storage.free_concurrency_slots_for_run(run_id)


def _automate(runner: _Runner, cursors: _Cursors) -> None:
    """Run what the automation conditions request, until they request nothing."""
    graph = runner.definitions.resolve_asset_graph()
    conditions = Conditions(runner.definitions, runner.instance, cursors.get(_AUTOMATION_CURSOR))
    # Silver before gold: gold that follows from several silver tables is then made once, after all of them.
    while tick := conditions.tick(first=lambda key: not _is_gold(key)):
        requested: dict[Any, dict[dg.AssetKey, Collection[str]]] = defaultdict(dict)
        for key in graph.toposorted_asset_keys:
            if days := tick.get(key):
                requested[graph.get(key).partitions_def][key] = days
        there = _Materialized(runner.instance)
        for calendar, tables in requested.items():
            for keys, first, last in _ranges(calendar, tables, there):
                runner.run_tables(keys, first, last)
    # Only now: whoever is killed before looks again from where this began, and requests what is not done.
    cursors.set(_AUTOMATION_CURSOR, conditions.cursor)


class _Materialized:
    """The partitions that a tick found materialized, asked for when they are wanted."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._days: dict[dg.AssetKey, Collection[str]] = {}

    def has(self, key: dg.AssetKey, day: str) -> bool:
        if key not in self._days:
            self._days[key] = self._instance.get_materialized_partitions(key)
        return day in self._days[key]


def _ranges(
    calendar: dg.TimeWindowPartitionsDefinition,
    tables: Mapping[dg.AssetKey, Collection[str]],
    there: _Materialized,
) -> Iterator[tuple[Sequence[dg.AssetKey], str, str]]:
    """Group partitions that follow each other into as few runs as there can be.

    Silver tables want nothing of each other: each is made of its own days, and those of the same days in one run.
    Gold tables follow from each other and share runs, in which each day is made of the same tables.
    """
    shared: dict[tuple[str, str], list[dg.AssetKey]] = defaultdict(list)
    for key in (key for key in tables if not _is_gold(key)):
        for span in _spans(calendar, tables[key], lambda _span, _day: True):
            shared[span[0], span[-1]].append(key)
    for (first, last), keys in shared.items():
        yield keys, first, last

    gold = {key: {*days} for key, days in tables.items() if _is_gold(key)}

    def wanted(days: Collection[str]) -> list[dg.AssetKey]:
        return [key for key, of_it in gold.items() if not of_it.isdisjoint(days)]

    def may_share(days: Sequence[str], day: str) -> bool:
        """Whether all want the same, so that the gate closes for all; or what they get besides is there.

        That is looked at without need then, but a run of many days costs little more than one of one day.
        """
        together = (*days, day)
        keys = wanted(together)
        return all(each in gold[key] or there.has(key, each) for each in together for key in keys)

    for span in _spans(calendar, set().union(*gold.values()), may_share):
        yield wanted(span), span[0], span[-1]


def _spans(
    calendar: dg.TimeWindowPartitionsDefinition, days: Collection[str], may_share: Callable[[Sequence[str], str], bool]
) -> list[list[str]]:
    """Split days where one does not follow the other, or may not share a run with those before."""
    window = calendar.time_window_for_partition_key
    spans: list[list[str]] = []
    for day in sorted(days):
        if spans and window(day).start == window(spans[-1][-1]).end and may_share(spans[-1], day):
            spans[-1].append(day)
        else:
            spans.append([day])
    return spans


def _is_gold(key: dg.AssetKey) -> bool:
    return key.path[0] == "gold"
