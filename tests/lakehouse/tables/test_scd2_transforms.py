"""Histories: every version of a member, and the one that was valid at a time."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.engines.sail import SailEngine
from lakehouse.tables.scd2_transforms import as_of, changes_between
from tests.conftest import ENGINES
from tests.members import HISTORY, Change, Sighting, at, dim_members, due, frames, versions_in

ORDERS = 200


def history(engine, changes=(), sightings=()):
    return versions_in(engine.collect(dim_members(*frames(engine, changes, sightings))))


def test_each_change_is_a_version_until_the_next_one(engine):
    first, second = Change("a", "Ada", 1, at(1)), Change("a", "Ada L.", None, at(3))
    found = history(engine, [second, first, first], [Sighting("a", at(2)), Sighting("a", at(4))])
    assert found == due([first, second], [Sighting("a", at(2))])
    assert [(version.name, version.size, version.valid_from, version.valid_to) for version in found] == [
        ("Ada", 1, at(1), at(3)),
        ("Ada L.", None, at(3), None),
    ]
    assert [version.is_current for version in found] == [False, True]


def test_a_change_that_says_nothing_new_is_a_version_too(engine):
    found = history(engine, [Change("a", "Ada", 1, at(1)), Change("a", "Ada", 1, at(2))])
    assert [version.valid_from for version in found] == [at(1), at(2)]


def test_a_deleted_member_has_no_current_version_until_it_is_there_again(engine):
    there, gone, again = Change("a", "Ada", 1, at(1)), Change("a", "Ada", 1, at(2), True), Change("a", "Ada", 2, at(3))  # noqa: FBT003
    assert [(version.is_deleted, version.is_current) for version in history(engine, [gone, there])] == [
        (False, False),
        (True, False),
    ]
    assert [(version.is_deleted, version.is_current) for version in history(engine, [again, gone, there])] == [
        (False, False),
        (True, False),
        (False, True),
    ]


def test_of_changes_at_one_time_the_same_one_counts_whatever_their_order(engine):
    changes = [Change("a", name, 1, at(1)) for name in ("x", "y", "z", None)]
    (first,) = history(engine, changes)
    assert history(engine, reversed(changes)) == [first]
    assert history(engine, [changes[2], changes[0], *changes]) == [first]
    (deleted,) = history(engine, [*changes, Change("a", "w", 1, at(1), True)])  # noqa: FBT003
    assert (deleted.name, deleted.is_deleted) == ("w", True)


def test_a_member_that_is_seen_before_its_first_change_is_inferred_until_then(engine):
    seen = [
        Sighting("a", at(2)),
        Sighting("a", at(1, 8), "silver.letters"),
        Sighting("b", at(5)),
        Sighting(None, at(1)),
    ]
    found = history(engine, [Change("a", "Ada", 1, at(3))], seen)
    assert [(version.member, version.name, version.is_inferred, version.valid_from) for version in found] == [
        ("a", None, True, at(1, 8)),
        ("a", "Ada", False, at(3)),
        ("b", None, True, at(5)),
    ]
    assert [version.first_seen_at for version in found] == [at(1, 8), at(1, 8), at(5)]
    assert [version.valid_to for version in found] == [at(3), None, None]


def test_a_member_that_is_first_seen_when_it_changes_is_not_inferred(engine):
    (version,) = history(engine, [Change("a", "Ada", 1, at(3))], [Sighting("a", at(3))])
    assert (version.is_inferred, version.first_seen_at) == (False, at(3))


def test_there_is_one_unknown_member_even_where_nothing_is_known(engine):
    (row,) = engine.collect(dim_members(*frames(engine, [], [Sighting(None, at(1))]))).to_pylist()
    assert (row["member_key"], row["member"], row["is_current"], row["valid_to"]) == ("UNKNOWN", None, True, None)
    assert (row["is_inferred"], row["is_deleted"], row["first_seen_at"]) == (False, False, None)


def keys(engine, changes, sightings=()):
    rows = engine.collect(dim_members(*frames(engine, changes, sightings))).to_pylist()
    return {(row["member"], row["valid_from"]): row["member_key"] for row in rows}


def test_an_earlier_sighting_leaves_the_key_of_an_inferred_member(engine):
    (late,) = {key for (name, _), key in keys(engine, [], [Sighting("a", at(2))]).items() if name}
    (early,) = {key for (name, _), key in keys(engine, [], [Sighting("a", at(1))]).items() if name}
    assert late == early


def test_a_version_keeps_its_key_whatever_comes_before_or_after_it(engine):
    change = Change("a", "Ada", 1, at(3))
    alone = keys(engine, [change])
    among = keys(engine, [Change("a", "x", 1, at(2)), change, Change("a", "y", 1, at(4))], [Sighting("a", at(1))])
    assert among["a", at(3)] == alone["a", at(3)]
    assert len(set(among.values())) == 5


_MEMBERS = st.sampled_from(["a", "b", "c"])
_TIMES = st.builds(at, st.integers(1, 6), st.sampled_from([0, 9, 23]))
_CHANGES = st.lists(
    st.builds(
        Change,
        _MEMBERS,
        st.sampled_from(["x", "y", None]),
        st.none() | st.integers(0, 1),
        _TIMES,
        st.none() | st.booleans(),
    ),
    max_size=8,
)
_SIGHTINGS = st.lists(
    st.builds(Sighting, _MEMBERS | st.none(), _TIMES, st.sampled_from(list(HISTORY.sightings))), max_size=6
)


@settings(max_examples=25, deadline=None)
@given(_CHANGES, _SIGHTINGS, st.integers(0, 2**32))
def test_two_hundred_orders_of_arrival_give_one_history(changes, sightings, seed):
    """Late, repeated, deleted, back again, at one time: each order has its own members, and all are asked at once."""
    note(f"seed {seed}")
    dice = random.Random(seed)  # noqa: S311 - no secret
    arrived, seen = [], []
    for order in range(ORDERS):
        copies = [*changes, *dice.choices(changes, k=2)] if changes else []
        dice.shuffle(copies)
        arrived += [change._replace(member=f"{order}:{change.member}") for change in copies]
        seen += [one._replace(member=one.member and f"{order}:{one.member}") for one in sightings]
    dice.shuffle(seen)
    of_orders = {}
    for version in history(SailEngine("unused"), arrived, seen):
        order, _, member = version.member.partition(":")
        of_orders.setdefault(order, []).append(version._replace(member=member))
    found = list(of_orders.values())
    assert all(one == found[0] for one in found)
    assert len(found) == (ORDERS if changes or any(one.member for one in sightings) else 0)
    for versions in found[:1]:
        _is_a_history(versions, changes, sightings)


def _is_a_history(versions, changes, sightings):
    """Hold the versions against what a history is, and against one worked out the plain way."""
    times = [(change.member, change.at) for change in changes]
    if len(set(times)) == len(times):
        assert versions == due(changes, sightings)
    for member in {version.member for version in versions}:
        own = [version for version in versions if version.member == member]
        assert all(before.valid_to == after.valid_from for before, after in pairwise(own))
        assert all(before.valid_from < after.valid_from for before, after in pairwise(own))
        assert own[-1].valid_to is None
        assert [version.is_current for version in own] == [False] * (len(own) - 1) + [not own[-1].is_deleted]


def test_a_row_belongs_to_the_version_of_its_time(engine):
    changes = [Change("a", "Ada", 1, at(2)), Change("a", "Ada L.", 2, at(4)), Change("a", None, None, at(6), True)]  # noqa: FBT003
    seen = [Sighting("a", at(number)) for number in range(1, 8)] + [Sighting("b", at(1)), Sighting(None, at(1))]
    members, visits, letters = frames(engine, changes, seen)
    dimension = dim_members(members, visits, letters)
    rows = as_of(visits, dimension, HISTORY, at="visited_at", attributes=["name", "is_inferred", "is_deleted"])
    found = sorted(
        (row["member"] or "", row["visited_at"].day, row["name"], row["is_inferred"], row["is_deleted"])
        for row in engine.collect(rows).to_pylist()
        if row["member"] != "a" or row["name"] is not None
    )
    assert found == [
        ("", 1, None, None, None),
        ("a", 2, "Ada", False, False),
        ("a", 3, "Ada", False, False),
        ("a", 4, "Ada L.", False, False),
        ("a", 5, "Ada L.", False, False),
        ("b", 1, None, True, False),
    ]
    others = engine.collect(rows.where("member = 'a' AND name IS NULL")).to_pylist()
    assert sorted((row["visited_at"].day, row["is_inferred"], row["is_deleted"]) for row in others) == [
        (1, True, False),
        (6, False, True),
        (7, False, True),
    ]


def test_a_row_whose_member_is_not_there_yet_belongs_to_the_unknown_member(engine):
    members, visits, letters = frames(
        engine, [Change("a", "Ada", 1, at(2))], [Sighting("a", at(1)), Sighting("c", at(3))]
    )
    dimension = dim_members(members, visits.limit(0), letters)
    found = engine.collect(as_of(visits, dimension, HISTORY, at="visited_at", attributes=["name"])).to_pylist()
    assert [(row["member_key"], row["name"]) for row in found] == [("UNKNOWN", None)] * 2


@settings(max_examples=25, deadline=None)
@given(_CHANGES, _SIGHTINGS)
def test_no_row_is_lost_or_doubled_and_each_has_a_member_of_the_dimension(changes, sightings):
    engine = SailEngine("unused")
    members, visits, letters = frames(engine, changes, sightings)
    dimension = dim_members(members, visits, letters)
    rows = as_of(visits.withColumn("place", F.monotonically_increasing_id()), dimension, HISTORY, at="visited_at")
    joined = engine.collect(rows).to_pylist()
    known = {row["member_key"]: row for row in engine.collect(dimension).to_pylist()}
    due_rows = sorted(((one.member, one.at) for one in sightings if one.table == "silver.visits"), key=repr)
    assert sorted(((row["member"], row["visited_at"]) for row in joined), key=repr) == due_rows
    assert len({row["place"] for row in joined}) == len(joined)
    assert all(known[row["member_key"]]["member"] == row["member"] for row in joined)


# Full snapshots


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_snapshots_tell_what_is_new_what_has_changed_and_what_is_gone(engine):
    snapshots = [
        Change("a", "Ada", 1, at(1)),
        Change("b", "Bo", 1, at(1)),
        Change("a", "Ada", 1, at(3)),
        Change("b", None, 1, at(3)),
        Change("a", "Ada", 1, at(4)),
        Change("b", None, 1, at(6)),
    ]
    assert told(engine, snapshots) == [
        Change("a", "Ada", 1, at(1), False),  # noqa: FBT003
        Change("a", "Ada", 1, at(6), True),  # noqa: FBT003
        Change("b", "Bo", 1, at(1), False),  # noqa: FBT003
        Change("b", None, 1, at(3), False),  # noqa: FBT003
        Change("b", None, 1, at(4), True),  # noqa: FBT003
        Change("b", None, 1, at(6), False),  # noqa: FBT003
    ]


def told(engine, snapshots):
    """Return the changes between snapshots, in order; the day of each is that of its time."""
    members, _, _ = frames(engine, snapshots, [])
    found = engine.collect(diffed(members)).to_pylist()
    assert all(row["changed_at"].date() == row["business_date"] for row in found)
    changes = [Change(row["member"], row["name"], row["size"], row["changed_at"], row["is_deleted"]) for row in found]
    return sorted(changes, key=lambda change: (change.member, change.at))


def diffed(members):
    return changes_between(members, key="member", time="changed_at", attributes=HISTORY.attributes)


_SNAPSHOT = st.dictionaries(_MEMBERS, st.tuples(st.sampled_from(["x", None]), st.sampled_from([0, None])), min_size=1)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.integers(1, 6), _SNAPSHOT, max_size=5))
def test_the_history_of_snapshots_is_that_of_a_feed_that_tells_their_differences(snapshots):
    engine, feed, known = SailEngine("unused"), [], {}
    for number in sorted(snapshots):
        now = snapshots[number]
        feed += [Change(name, *said, at(number)) for name, said in now.items() if known.get(name) != said]
        feed += [Change(name, *known[name], at(number), True) for name in known if name not in now]  # noqa: FBT003
        known = now
    rows = [Change(name, *said, at(number)) for number, now in snapshots.items() for name, said in now.items()]
    members, visits, letters = frames(engine, rows, [Sighting("b", at(3))])
    found = versions_in(engine.collect(dim_members(diffed(members), visits, letters)))
    assert found == due(feed, [Sighting("b", at(3))])


@settings(max_examples=15, deadline=None)
@given(st.dictionaries(st.integers(1, 6), _SNAPSHOT, min_size=2, max_size=5))
def test_the_changes_of_a_day_follow_from_its_snapshot_and_the_one_before(snapshots):
    engine = SailEngine("unused")
    rows = [Change(name, *said, at(number)) for number, now in snapshots.items() for name, said in now.items()]
    whole = told(engine, rows)
    numbers = sorted(snapshots)
    for before, number in pairwise(numbers):
        two = [row for row in rows if row.at in (at(before), at(number))]
        assert [one for one in told(engine, two) if one.at == at(number)] == [
            one for one in whole if one.at == at(number)
        ]
