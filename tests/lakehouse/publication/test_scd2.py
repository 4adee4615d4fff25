"""Publishing a history: the members that some days touch, one merge of what differs, the days that follow from it."""

from __future__ import annotations

import bisect
import datetime as dt
import random
import shutil
from collections import defaultdict

import pytest

from lakehouse.delta.predicates import Predicate
from lakehouse.publication.publish import unreported
from lakehouse.publication.scd2 import UNKNOWN
from tests.embedded import on_both
from tests.members import HISTORY, LAYOUTS, TERMS, Change, Lake, Sighting, at, due, table_of, versions_in
from tests.scenario import day, rows

ORDERS, DAYS, STEPS = 200, 6, 8


@pytest.fixture
def lake(engine) -> Lake:
    return Lake(engine)


def members(lake, *days, **rows_by_table):
    """Put rows into the feed and what sees its members, on some days, and publish the dimension for these."""
    for table, found in rows_by_table.items():
        lake.put(f"silver.{table}", found, *days)
    return lake.publish(*days)


@on_both
def test_what_comes_late_and_what_is_seen_no_more_end_in_one_history_and_say_which_days_follow(lake):
    seen = [Sighting("a", at(2)), Sighting("a", at(4)), Sighting("a", at(6)), Sighting("b", at(2))]
    lake.put("silver.visits", seen, day(2), day(4), day(6))
    assert lake.publish(day(6), day(2), day(4)).affected == [day(2), day(4), day(6)]
    lake.put("silver.visits", [], day(2))
    late = Change("a", "Ada", 1, at(5))
    result = members(lake, day(2), day(5), members=[late])
    assert (result.version, result.affected) == (2, [day(2), day(4), day(6)])
    assert lake.versions() == due([late], seen[1:3])  # of the other nothing is known any more
    assert lake.said[-1] == "gold.dim_members: 2 rows new or changed, 1 gone; 3 days have to be restated"


def test_days_in_any_order_end_in_one_history_and_say_which_days_follow(lake):
    seen = [Sighting("a", at(number)) for number in (2, 4, 6)]
    lake.put("silver.visits", seen, day(2), day(4), day(6))
    result = lake.publish(day(6), day(2), day(4))
    assert (result.version, result.affected) == (1, [day(2), day(4), day(6)])
    later, earlier = Change("a", "Ada L.", 2, at(5)), Change("a", "Ada", 1, at(3))
    assert members(lake, day(5), members=[later]).affected == [day(6)]
    assert members(lake, day(3), members=[earlier]).affected == [day(4)]
    assert lake.versions() == due([earlier, later], seen)
    assert members(lake, day(5), members=[]).affected == [day(6)]
    assert lake.versions() == due([earlier], seen)
    assert members(lake, day(2), visits=[]).affected == [day(2), day(4)]  # first seen on another day now
    assert lake.versions() == due([earlier], seen[1:])
    assert lake.said[-1] == "gold.dim_members: 1 rows new or changed, 1 gone; 2 days have to be restated"


def test_a_first_sighting_that_moves_past_a_day_that_is_not_at_hand_is_found_there(lake):
    seen = [Sighting("a", at(number)) for number in (2, 4, 6)]
    members(lake, day(2), day(4), day(6), visits=seen)
    assert members(lake, day(2), day(6), visits=seen[2:]).affected == [day(2), day(4)]
    assert lake.versions() == due([], seen[1:])


def test_where_nothing_differs_nothing_is_committed(lake):
    members(lake, day(1), members=[Change("a", "Ada", 1, at(1))], visits=[Sighting("a", at(1))])
    again = lake.publish(day(1), day(2))
    assert (again.version, again.unchanged, again.affected, again.tallies) == (None, {day(1), day(2)}, [], {})
    more = members(lake, day(2), visits=[Sighting("a", at(2))])
    assert (more.version, more.unchanged, lake.engine.version(TERMS.name)) == (None, {day(2)}, 1)
    assert newest_lines(lake) == {
        dt.date(1900, 1, 1): ["published", 1],
        day(1): ["published", 1],
        day(2): ["published", 0],
    }


def test_a_dimension_of_nothing_has_the_unknown_member(lake):
    result = lake.publish(day(1))
    assert (result.version, result.unchanged, result.held) == (1, {day(1)}, {})
    assert lake.rows().column("member_key").to_pylist() == [UNKNOWN]
    assert lake.publish(day(1)).version is None


def test_a_change_rewrites_the_rows_of_its_member_only(lake):
    members(lake, day(1), members=[Change(name, name, 1, at(1)) for name in "abcd"])
    members(lake, day(3), members=[Change("b", "B", 1, at(3))])
    newest, *_ = lake.engine.history(TERMS.name)
    assert newest.operation == "MERGE"
    assert {name: int(newest.metrics[name]) for name in ("num_target_rows_inserted", "num_target_rows_updated")} == {
        "num_target_rows_inserted": 1,
        "num_target_rows_updated": 1,
    }


def test_a_change_of_today_opens_no_file_of_an_earlier_day(lake):
    """Silver's other days could be gone: nothing of them is read."""
    everyone = [Change("a", "Ada", 1, at(1)), Change("b", "Bo", 1, at(1))]
    members(lake, day(1), day(2), members=everyone, visits=[Sighting("a", at(1)), Sighting("b", at(2))])
    lake.put("silver.members", [Change("a", "Ada L.", 1, at(3))], day(3))
    lake.put("silver.visits", [Sighting("a", at(3, 12)), Sighting("c", at(3))], day(3))
    for name in LAYOUTS:
        for earlier in (day(1), day(2)):
            folder = f"{lake.engine.root}/{name.replace('.', '/')}/business_date={earlier}"
            shutil.rmtree(folder, ignore_errors=True)
    assert lake.publish(day(3)).affected == [day(3)]
    assert [(version.member, version.valid_from) for version in lake.versions()] == [
        ("a", at(1)),
        ("a", at(3)),
        ("b", at(1)),
        ("c", at(3)),
    ]


def test_a_row_that_breaks_the_contract_holds_the_days_of_the_run_before_the_commit(lake):
    members(lake, day(1), members=[Change("a", "Ada", 1, at(1))])
    lake.put("silver.members", [Change("a", "Ada", -1, at(2)), Change("b", "Bo", 1, at(2))], day(2))
    lake.put("silver.members", [Change("c", "Cy", 1, at(3))], day(3))
    result = lake.publish(day(2), day(3), run_id="bad")
    assert (result.version, result.published, result.affected) == (None, [], [])
    assert result.held == {
        day(2): "1 rows break the contract: {'size:ge': 1}",
        day(3): "it is published with others: 2011-03-02: 1 rows break the contract: {'size:ge': 1}",
    }
    assert lake.engine.version(TERMS.name) == 1
    held = [(when, verdict) for when, run, verdict in _ledger(lake) if run == "bad"]
    assert held == [(day(2), "held"), (day(3), "held")]
    assert members(lake, day(2), members=[Change("a", "Ada", 2, at(2))]).affected == []
    assert [version.size for version in lake.versions()] == [1, 2]


def _ledger(lake):
    return rows(lake.engine, "system.row_ledger", "business_date", "run_id", "verdict")


def test_the_days_that_follow_from_a_commit_can_be_asked_after_a_crash(lake):
    assert unreported(lake.engine, TERMS.name, None) == []
    lake.put("silver.visits", [Sighting("a", at(1)), Sighting("a", at(5))], day(1), day(5))
    first = lake.publish(day(1), day(5))
    members(lake, day(4), members=[Change("a", "Ada", 1, at(4))])
    members(lake, day(7), members=[Change("b", "Bo", 1, at(7))])
    assert unreported(lake.engine, TERMS.name, None) == [day(1), day(5)]
    assert unreported(lake.engine, TERMS.name, first.version) == [day(5)]
    assert unreported(lake.engine, TERMS.name, lake.engine.version(TERMS.name)) == []


def test_the_commits_before_a_version_are_not_looked_at(lake, monkeypatch):
    for number in range(1, 5):
        members(lake, day(number), visits=[Sighting(f"m{number}", at(number))])
    asked = []
    history = lake.engine.history
    monkeypatch.setattr(lake.engine, "history", lambda table, limit: asked.append(limit) or history(table, limit))
    assert unreported(lake.engine, TERMS.name, 3) == [day(4)]
    assert asked == [1]


def test_the_ledger_says_how_many_rows_each_day_has_also_where_they_moved_to(lake):
    lake.put("silver.visits", [Sighting("a", at(2)), Sighting("a", at(4)), Sighting("b", at(4))], day(2), day(4))
    lake.publish(day(2), day(4))
    members(lake, day(2), visits=[])
    assert {when: published for when, (_, published) in newest_lines(lake).items()} == {
        dt.date(1900, 1, 1): 1,
        day(2): 0,
        day(4): 2,
    }


def newest_lines(lake):
    """Return the verdict and the published rows of each day, as the ledger has them last."""
    columns = ("recorded_at", "business_date", "verdict", "published")
    return {when: about for _, when, *about in sorted(rows(lake.engine, "system.row_ledger", *columns))}


def test_a_held_day_whose_rows_are_as_they_were_again_is_held_no_more(lake):
    members(lake, day(1), members=[Change("a", "Ada", 1, at(1))])
    assert members(lake, day(1), members=[Change("a", "Ada", -1, at(1))]).held
    assert newest_lines(lake)[day(1)] == ["held", 0]
    healed = members(lake, day(1), members=[Change("a", "Ada", 1, at(1))])
    assert (healed.version, healed.unchanged) == (None, {day(1)})
    assert newest_lines(lake)[day(1)] == ["published", 1]


def test_a_run_after_one_that_died_before_its_line_in_the_ledger_writes_it(lake, monkeypatch):
    lake.put("silver.visits", [Sighting("a", at(1))], day(1))
    monkeypatch.setattr(lake.engine, "append", _dies)
    with pytest.raises(KeyboardInterrupt):
        lake.publish(day(1))
    monkeypatch.undo()
    assert lake.publish(day(1)).version is None
    assert newest_lines(lake) == {day(1): ["published", 1]}


def _dies(*_, **__):
    raise KeyboardInterrupt


def test_what_was_believed_on_a_day_is_told_by_the_version_of_that_time(lake):
    members(lake, day(1), members=[Change("a", "Ada", 1, at(1))])
    then = dt.datetime.now(tz=dt.UTC)
    members(lake, day(2), members=[Change("a", "Ada L.", 1, at(2))])
    members(lake, day(1), members=[Change("a", "Ida", 1, at(1))])
    assert [version.name for version in lake.versions()] == ["Ida", "Ada L."]
    assert [version.name for version in lake.versions(as_of=then)] == ["Ada"]
    assert [version.name for version in lake.versions(version=2)] == ["Ada", "Ada L."]


# Random orders: 200 at once. Each order has members and days of its own, in which files arrive, are sent again, lose
# rows and move them; the dimension is told of some of the days at once, and of the others later.


class World:
    """What has arrived of each order's tables, by table and day."""

    def __init__(self, dice: random.Random) -> None:
        """Start with nothing."""
        self.dice = dice
        self.rows: dict[tuple[str, dt.date], list] = {}
        self.pending: set[dt.date] = set()

    def arrive(self) -> None:
        """Have a file of some day of each order arrive, or arrive again."""
        for order in range(ORDERS):
            table, when = self.dice.choice(list(LAYOUTS)), self._day(order, self.dice.randrange(DAYS))
            self.rows[table, when] = [self._row(order, table, when) for _ in range(self.dice.randrange(4))]
            self.pending.add(when)

    def _day(self, order: int, number: int) -> dt.date:
        return dt.date(2001, 1, 1) + dt.timedelta(days=order * DAYS + number)

    def _row(self, order: int, table: str, when: dt.date) -> Change | Sighting:
        dice = self.dice
        time = dt.datetime.combine(when, dt.time(dice.choice([0, 9, 9, 23])), dt.UTC)
        member = f"{order}:{dice.choice('ab')}"
        if table != HISTORY.changes:
            return Sighting(dice.choice([member, member, None]), time, table)
        return Change(member, dice.choice(["x", "y", None]), dice.choice([0, None]), time, dice.choice([None, True]))

    def put(self, lake: Lake) -> None:
        """Write the tables as they are now."""
        every = tuple(self._day(0, number) for number in range(ORDERS * DAYS))
        for name, layout in LAYOUTS.items():
            found = [row for (table, _), rows in self.rows.items() if table == name for row in rows]
            plain = type(layout)(name, layout.schema, ())
            lake.engine.publish(plain, table_of(name, found), Predicate("business_date", every))

    def sightings(self) -> list[Sighting]:
        return [row for (table, _), rows in self.rows.items() if table != HISTORY.changes for row in rows]

    def told(self) -> list[dt.date]:
        """Return some of the days that the dimension has not been told of."""
        some = {when for when in sorted(self.pending) if self.dice.random() < 0.6}
        self.pending -= some
        return sorted(some)


def resolved(dimension, sightings):
    """Return for each day the versions that its sightings are about, and what those say."""
    own = defaultdict(list)
    for row in sorted(dimension.to_pylist(), key=lambda row: row["valid_from"]):
        own[row["member"]].append(row)
    found = defaultdict(set)
    for member, when, table in sightings:
        place = bisect.bisect_right(own[member], when, key=lambda row: row["valid_from"]) if member else 0
        row = own[member][place - 1] if place else {}
        said = tuple(row.get(name) for name in ("member_key", "name", "size", "is_deleted"))
        found[when.date()].add((member, when, table, *said))
    return found


def first_seen(dimension):
    return {row["member"]: row["first_seen_at"] for row in dimension.to_pylist() if row["member"]}


@pytest.mark.parametrize("seed", [20111209])
def test_two_hundred_orders_of_files_end_in_what_a_full_rebuild_gives(lake, seed):
    world = World(random.Random(seed))  # noqa: S311 - no secret
    lake.publish(day(1))
    before = lake.rows()
    commits = 0
    for step in range(STEPS):
        world.arrive()
        world.put(lake)
        told = world.told() if step < STEPS - 1 else sorted(world.pending)
        result = lake.publish(*told)
        after = lake.rows()
        _restates_what_differs(result, before, after, world.sightings())
        commits += result.version is not None
        before = after
    assert commits == STEPS
    rebuilt = lake.engine.collect(_rebuilt(lake))
    key = [("member_key", "ascending")]
    assert before.select(rebuilt.schema.names).cast(rebuilt.schema).sort_by(key) == rebuilt.sort_by(key)
    orders = {version.member.partition(":")[0] for version in versions_in(before)}
    assert len(orders) > 0.95 * ORDERS  # of a few nothing is left in the end


def _restates_what_differs(result, before, after, sightings):
    """The days that follow are those whose sightings are about something else, and where somebody is seen first."""
    was, now = resolved(before, sightings), resolved(after, sightings)
    due_days = {when for when in now if now[when] != was[when]}
    seen, sees = first_seen(before), first_seen(after)
    moved = [name for name in seen.keys() | sees.keys() if seen.get(name) != sees.get(name)]
    due_days |= {when.date() for name in moved for when in (seen.get(name), sees.get(name)) if when}
    assert result.affected == sorted(due_days)


def _rebuilt(lake):
    from tests.members import dim_members

    return dim_members(*[lake.engine.read(name) for name in LAYOUTS])
