"""`lakehouse quarantine replay`, `discard` and `release`: decisions of people, and the days made again by them.

Belongs here: which partitions a decision concerns, and what became of the rows. How partitions are made is
``draining``'s matter.
"""

from __future__ import annotations

import datetime as dt
import getpass
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from lakehouse.catalog.ledger_views import NEWEST_LINES, HeldDay, held_days
from lakehouse.catalog.reader import Catalog
from lakehouse.cli.console import FAILED, HELD, OK, CommandError, JsonFlag, how_many, out, print_json
from lakehouse.cli.progress import watched
from lakehouse.cli.quarantine_fix import By, Ids, Reason, Where, contract_table, engine_of, sources_of_all
from lakehouse.cli.run import print_failures, print_held
from lakehouse.corrections.rows import Selection, day_of, quarantined
from lakehouse.orchestration.run_lock import alone
from lakehouse.project import Lakehouse
from lakehouse.quarantine.decisions import DISCARD, RELEASE, Decision, RecordId, active_decisions, record_decisions
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from lakehouse.engines.base import Engine
    from lakehouse.orchestration.runner import RunReport
    from lakehouse.tables.declarations import ContractTable

_Table = Annotated[str | None, typer.Option("--table", help="Only rows for this table.")]
_Day = Annotated[str | None, typer.Option(help="Only this business date: yyyy-mm-dd.")]


_NOTHING: Mapping[str, Any] = {"rows": 0, "closed": {}, "partitions": {}, "held": [], "runs": [], "errors": []}


def replay(*, table_name: _Table = None, day: _Day = None, ids: Ids = None, as_json: JsonFlag = False) -> None:
    """Publish the open rows that pass by now: fixed ones, and those that a changed contract lets pass.

    Their days are made again from bronze and all decisions, and what follows from them after that. A day in which no
    open row would pass is left alone, so that a second replay changes nothing. An interrupted one is completed.

    * `lakehouse quarantine replay`
    * `lakehouse quarantine replay --table silver.transactions --day 2024-01-04`
    """
    settings = Settings.load()
    rows = quarantined(Catalog(settings.root), Selection(table_name, day, ids=ids or ()))
    if not rows and not Lakehouse.open(settings=settings).runner.pending():
        _say(as_json, _NOTHING, "0 rows: nothing is open.")
        raise typer.Exit(OK)
    with alone(settings):
        left = Lakehouse.open(settings=settings).runner.pending()
        ready = _ready(engine_of(settings), rows)
        for name, days in left.items():
            ready[name] = sorted({*ready.get(name, ()), *days})
        if not ready:
            still = (
                f"0 rows: of {how_many(len(rows), 'open row')} none would pass; `lakehouse quarantine fix` mends them."
            )
            _say(as_json, _NOTHING, still)
            raise typer.Exit(OK)
        _make_again(settings, ready, "replayed", as_json=as_json)


def discard(
    *,
    reason: Reason,
    table_name: _Table = None,
    day: _Day = None,
    rule: Annotated[str | None, typer.Option(help="Only rows that broke this rule.")] = None,
    ids: Ids = None,
    where: Where = None,
    by: By = None,
    as_json: JsonFlag = False,
) -> None:
    """Leave rejected rows out for good, by somebody's decision. The ledger counts them, and bronze keeps them.

    * `lakehouse quarantine discard --id 3f2a9c01b7de --reason "a test of the till"`
    """
    settings = Settings.load()
    selection = Selection(table_name, day, rule, ids or (), where, sources=sources_of_all() if where else ())
    if selection.is_everything:
        raise CommandError("say which rows: --id, --where, --rule, --day or --table")
    rows = quarantined(Catalog(settings.root), selection)
    if not rows:
        raise CommandError("no open row is meant by that; `lakehouse quarantine show` shows them")
    decided_by = by or getpass.getuser()
    decisions = [Decision(DISCARD, row["table_name"], RecordId.of(row), reason, decided_by) for row in rows]
    with alone(settings):
        engine = engine_of(settings)
        _make_again(
            settings, _partitions(rows), "discarded", lambda: record_decisions(engine, decisions), as_json=as_json
        )


def release(
    *,
    table_name: Annotated[str, typer.Option("--table", help="The table that holds the day: silver.orders.")],
    day: Annotated[str, typer.Option(help="The day: yyyy-mm-dd.")],
    reason: Reason,
    by: By = None,
    as_json: JsonFlag = False,
) -> None:
    """Publish a held day as it is, by somebody's decision. Its bad rows stay in quarantine.

    The decision lapses as soon as anything new arrives for the day, or the table's rules change. A day that does not
    add up, or in which keys repeat, is never released. Exit code 3: the day is still held.

    * `lakehouse quarantine release --table silver.orders --day 2024-01-04 --reason "few orders on a holiday"`
    """
    settings = Settings.load()
    business_date = day_of(day)
    made = contract_table(table_name)
    lake = Catalog(settings.root)
    if _held(lake, table_name, business_date) is None:
        raise CommandError(f"{table_name} {day} is not held, so that there is nothing to release")
    with alone(settings):
        decision = _release(lake, made, business_date, reason, by or getpass.getuser())
        engine = engine_of(settings)
        report = _backfill(settings, {table_name: [day]}, lambda: record_decisions(engine, [decision]))
    still = _held(lake, table_name, business_date)
    if as_json:
        print_json({"released": still is None, "reason": still.reason if still else None, "runs": report.runs})
    elif still is None:
        out().print(escape(f"{table_name} {day} is published, by the decision of {decision.decided_by}."))
    else:
        print_held([still])
        out().print("That is nothing that can be waved through: send a corrected file, or mend the table's function.")
    print_failures(report)
    raise typer.Exit(FAILED if report.errors else OK if still is None else HELD)


def _release(lake: Catalog, made: ContractTable, day: dt.date, reason: str, by: str) -> Decision:
    """Return the release of what a held day's newest audit has judged, and of nothing that came later."""
    name, (bronze,) = made.full_name, made.inputs.values()
    audits = lake.rows(
        f"FROM ({NEWEST_LINES}) WHERE table_name = ? AND business_date = ?",
        [name, day],
    )
    if [audit["verdict"] for audit in audits] != ["held"]:
        raise CommandError(f"{name} {day} is held no more, so that there is nothing to release")
    (audit,) = audits
    (batches,) = lake.rows(
        f"""
        SELECT max(batch_id) FILTER (ingestion_timestamp <= ?) AS seen, max(batch_id) AS newest
        FROM {bronze} WHERE business_date = ?
        """,  # noqa: S608 - a table's name
        [audit["recorded_at"], day],
    )
    if batches["seen"] != batches["newest"]:
        raise CommandError(
            f"more has arrived for {name} {day} since it was held; let `lakehouse run` judge it, and look again"
        )
    return Decision(
        RELEASE,
        name,
        RecordId(day, "", "", None),
        reason,
        by,
        batch_id=batches["seen"],
        rules_version=audit.get("rules_version") or made.terms.rules_version,
        would_publish=audit["published"],
    )


def _held(lake: Catalog, table: str, day: dt.date) -> HeldDay | None:
    return next((held for held in held_days(lake) if (held.table, held.business_date) == (table, day)), None)


def _ready(engine: Engine, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the partitions in which some of the rows would not be rejected any more."""
    from lakehouse.corrections.replay import revalidate

    ready = []
    places = defaultdict(list)
    for row in rows:
        places[row["table_name"]].append(row)
    for name, of_table in places.items():
        made = contract_table(name)
        (bronze,) = made.inputs.values()
        discards = {
            place
            for place, decision in active_decisions(
                engine, name, sorted({row["business_date"] for row in of_table})
            ).records.items()
            if decision.action == DISCARD
        }
        judged = revalidate(engine, made.terms, made.transform, bronze, [RecordId.of(row) for row in of_table])
        ready += [row for row in of_table if judged.get(RecordId.of(row)) == () or RecordId.of(row) in discards]
    return _partitions(ready)


def _partitions(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    days = defaultdict(set)
    for row in rows:
        days[row["table_name"]].add(str(row["business_date"]))
    return {name: sorted(found) for name, found in days.items()}


def _make_again(
    settings: Settings,
    partitions: Mapping[str, Collection[str]],
    what: str,
    decide: Callable[[], None] = lambda: None,
    *,
    as_json: bool,
) -> None:
    """Make partitions again and say what became of their open rows."""
    lake, begun = Catalog(settings.root), dt.datetime.now(tz=dt.UTC)
    report = _backfill(settings, partitions, decide)
    closed = Counter(
        row["status"]
        for row in quarantined(lake, Selection(status="all"))
        if row["closed_at"] is not None and row["closed_at"] >= begun
    )
    held = [day for day in held_days(lake) if str(day.business_date) in partitions.get(day.table, ())]
    told = ", ".join(f"{how_many(rows, 'row')} {status}" for status, rows in sorted(closed.items())) or f"0 rows {what}"
    days = how_many(sum(map(len, partitions.values())), "day")
    _say(
        as_json,
        {"rows": closed[what], "closed": dict(closed), "partitions": partitions, "held": held, **_runs(report)},
        f"{told}; {days} made again, in {how_many(len(report.runs), 'run')}.",
    )
    if not as_json:
        print_held(held)
    print_failures(report)
    raise typer.Exit(FAILED if report.errors else HELD if held else OK)


def _backfill(settings: Settings, partitions: Mapping[str, Collection[str]], decide: Callable[[], None]) -> RunReport:
    with watched() as (progress, should_stop):
        return Lakehouse.open(settings=settings).runner.backfill(
            partitions, decide=decide, progress=progress, should_stop=should_stop
        )


def _runs(report: RunReport) -> dict[str, Any]:
    return {"runs": report.runs, "errors": report.errors}


def _say(as_json: bool, data: Mapping[str, Any], sentence: str) -> None:  # noqa: FBT001 - the flag of the command
    if as_json:
        print_json(data)
    else:
        out().print(sentence)
