"""The conditions without a daemon: what is due is requested at once, some assets before others."""

from __future__ import annotations

import datetime as dt

from lakehouse.orchestration.asset_factory import asset_key
from lakehouse.orchestration.instance.conditions import Conditions
from lakehouse.orchestration.instance.home import open_instance
from tests.line import Line, days

SILVER, DAILY, WEEKS = "silver.transactions", "gold.daily_sales_summary", "gold.weekly_sales_summary"


def ticked(conditions: Conditions, **given) -> dict[str, list[str]]:
    """Return what a tick requests, by table."""
    return {".".join(key.path): sorted(found) for key, found in conditions.tick(**given).items()}


def conditions_of(line: Line, cursor: str | None = None) -> Conditions:
    return Conditions(line.defs, line.instance, cursor)


def test_what_the_daemon_requests_at_its_second_tick_is_requested_at_the_first(line):
    conditions = conditions_of(line)
    assert ticked(conditions) == {}
    line.tick()
    line.report("bronze.transactions", *days([2, 3]))
    requested = line.tick()
    assert requested[SILVER] == days([2, 3])
    assert ticked(conditions) == requested
    assert ticked(conditions) == {}


def test_a_look_goes_on_from_where_the_last_one_was_written_down(line):
    first = conditions_of(line)
    first.tick()
    line.report("bronze.transactions", *days([2]))
    assert ticked(conditions_of(line, first.cursor)) == ticked(first) != {}
    assert ticked(conditions_of(line, first.cursor)) == {}


def test_what_comes_first_is_requested_alone_and_the_others_at_the_next_look(line):
    conditions = conditions_of(line)
    conditions.tick()
    line.report("bronze.transactions", *days([2]))
    assert ticked(conditions, first=lambda key: key == asset_key(SILVER)) == {SILVER: days([2])}
    line.report(SILVER, *days([2]))
    later = ticked(conditions, first=lambda key: key == asset_key(SILVER))
    assert later[DAILY] == days([2])
    assert SILVER not in later


def test_what_comes_first_and_fails_does_not_keep_the_others_waiting(line):
    conditions = conditions_of(line)
    conditions.tick()
    line.report(SILVER, *days([1]))
    line.report("bronze.transactions", *days([1, 2]))
    silver_first = {"first": lambda key: key == asset_key(SILVER)}
    assert ticked(conditions, **silver_first) == {SILVER: days([1, 2])}
    assert ticked(conditions, **silver_first)[DAILY] == days(
        [1]
    )  # of a day that was not computed again the last one stands
    assert ticked(conditions, **silver_first) == {}


def test_of_many_partitions_in_one_look_a_day_that_was_updated_last_is_not_taken_for_handled(landing_root, tmp_path):
    many = [str(dt.date(2011, 1, 1) + dt.timedelta(number)) for number in range(150)]
    with open_instance(tmp_path / "home") as instance:
        line = Line(landing_root, instance=instance)
        conditions = conditions_of(line)
        conditions.tick()
        line.report("bronze.transactions", *many)
        line.report(SILVER, *many)
        line.report("bronze.transactions", *many[:120])  # late rows
        assert ticked(conditions)[SILVER] == many[:120]
