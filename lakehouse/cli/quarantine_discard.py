"""`lakehouse quarantine discard`: leave rejected rows out for good."""

from __future__ import annotations

from lakehouse.cli.console import JsonFlag
from lakehouse.cli.progress import watched
from lakehouse.cli.quarantine_options import By, Day, Ids, Reason, Rule, Table, Where
from lakehouse.cli.quarantine_replay import print_result
from lakehouse.project import Lakehouse


def discard(
    *,
    reason: Reason,
    table_name: Table = None,
    day: Day = None,
    rule: Rule = None,
    ids: Ids = None,
    where: Where = None,
    by: By = None,
    as_json: JsonFlag = False,
) -> None:
    """Leave rejected rows out for good, by somebody's decision. The ledger counts them, and bronze keeps them.

    * `lakehouse quarantine discard --id 3f2a9c01b7de --reason "a test of the till"`
    """
    from lakehouse.corrections.rows import Selection

    with watched() as (progress, should_stop):
        result = Lakehouse.open().quarantine.discard(
            Selection(table_name, day, rule, ids or (), where),
            reason=reason,
            by=by or "",
            progress=progress,
            should_stop=should_stop,
        )
    print_result(result, "discarded", as_json=as_json)
