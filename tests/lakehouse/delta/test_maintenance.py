"""The Delta operations: each once on every engine, and what may go wrong with them on the one that starts at once."""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from lakehouse.delta import data_files
from lakehouse.delta.compaction import rewrite
from lakehouse.delta.model import MissingTableError, TableError, TableLayout, Token
from lakehouse.delta.predicates import Predicate
from lakehouse.engines.sail import SailEngine
from tests.scenario import day

SCHEMA = pa.schema([("business_date", pa.date32()), ("name", pa.string()), ("quantity", pa.int32())])
SALES = TableLayout("silver.sales", SCHEMA, ("business_date",))
RECEIVED = TableLayout("bronze.sales", SCHEMA, ("business_date",), {"delta.appendOnly": "true"})
NAMED = TableLayout("silver.named", SCHEMA, ("name", "business_date"))
WHOLE = TableLayout("silver.whole", SCHEMA, ())


def table(*rows, schema: pa.Schema = SCHEMA) -> pa.Table:
    """Rows in the schema's order."""
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


def on(*days: dt.date) -> Predicate:
    return Predicate("business_date", days)


def rows(engine, name="silver.sales", **pinned):
    """A table's rows as tuples, sorted."""
    found = engine.collect(engine.read(name, **pinned))
    return sorted((tuple(row.values()) for row in found.to_pylist()), key=repr)


def files(engine, name="silver.sales") -> dict[str, int]:
    """How many files each partition of a table has, by the partition's values."""
    groups = data_files.by_partition(data_files.data_files(DeltaTable(f"{engine.root}/{name.replace('.', '/')}")))
    return {"/".join(str(value) for _, value in partition): len(found) for partition, found in groups.items()}


def stored(engine, name="silver.sales") -> set[Path]:
    """The data files of a table that are on disk, of whichever version."""
    return set(Path(engine.root, name.replace(".", "/")).rglob("*.parquet"))


def bounds(engine, name="silver.sales") -> set[str]:
    """The columns whose least values are in the log for every file."""
    found = pa.table(DeltaTable(f"{engine.root}/{name.replace('.', '/')}").get_add_actions(flatten=True))
    return {column for column in found.column_names if column.startswith("min.") and not found[column].null_count}


def append(engine, layout, *rounds) -> list[tuple]:
    """Append rows, each round in a commit with a token of its own; return them all, sorted."""
    for number, some in enumerate(rounds, start=1):
        engine.append(layout, table(*some), token=Token("some", number))
    return sorted((row for some in rounds for row in some), key=repr)


def days(*numbers: int, quantity: int = 0) -> list[tuple]:
    """A row for each of some days."""
    return [(day(number), "a", quantity) for number in numbers]


def grow_old(path: Path, hours: float) -> None:
    """Make a file look as if it was written a while ago."""
    then = time.time() - hours * 3600
    os.utime(path, (then, then))


@pytest.fixture
def sail(lake_root) -> SailEngine:
    """The engine that starts at once."""
    return SailEngine(str(lake_root))


# Each operation on every engine; the embedded one writes what is there before, for a write on Spark costs seconds


def test_many_small_files_become_one_and_no_row_changes(engine, sail):
    given = append(sail, RECEIVED, days(1, 2), days(1, 2, quantity=1), days(1, quantity=2), days(3))
    assert files(engine, "bronze.sales") == {"2011-03-01": 3, "2011-03-02": 2, "2011-03-03": 1}

    done = engine.optimize("bronze.sales", metadata={"run_id": "tonight"})

    assert (done.version, done.partitions, done.skipped, done.files) == (5, 2, 1, (5, 2))
    assert files(engine, "bronze.sales") == {"2011-03-01": 1, "2011-03-02": 1, "2011-03-03": 1}
    assert rows(engine, "bronze.sales") == given
    assert len(rows(sail, "bronze.sales", version=2)) == 4
    (commit,) = engine.history("bronze.sales", 1)
    assert (commit.operation, commit.metadata["run_id"]) == ("OPTIMIZE", "tonight")

    again = engine.optimize("bronze.sales")

    assert (again.version, again.partitions, again.skipped) == (5, 0, 3)
    assert engine.append(RECEIVED, table(*days(1)), token=Token("some", 4)) is None, "tokens live on"


def test_a_z_order_puts_each_partition_in_order_once(engine, sail):
    given = append(sail, SALES, days(1, 2, 3), days(1, 2, quantity=1))

    first = engine.optimize("silver.sales", zorder=["name", "quantity"], metadata={"run_id": "tonight"})
    unchanged = engine.optimize("silver.sales", zorder=["name", "quantity"])
    sail.append(SALES, table(*days(2, quantity=9)))
    changed = engine.optimize("silver.sales", zorder=["name", "quantity"])

    assert (first.partitions, unchanged.partitions, changed.partitions) == (3, 0, 1)
    assert changed.files == (2, 1)
    assert rows(sail) == sorted([*given, *days(2, quantity=9)], key=repr)
    assert [commit.metadata.get("run_id") for commit in engine.history("silver.sales")] == [
        None,
        None,
        "tonight",
        *[None] * 3,
    ]


def test_a_vacuum_deletes_what_no_version_of_late_needs_and_nothing_else(engine, sail):
    sail.publish(SALES, table(*days(1, 2)), on(day(1), day(2)))
    sail.publish(SALES, table(*days(1, quantity=7)), on(day(1)))
    before = stored(engine)

    young = engine.vacuum("silver.sales")
    seen = engine.vacuum("silver.sales", retain_hours=0, unsafe=True, dry_run=True)

    assert (young.files, young.retain_hours) == (0, 168)
    assert (seen.files, stored(engine)) == (1, before)
    assert engine.version("silver.sales") == 2, "to look is no commit"

    done = engine.vacuum("silver.sales", retain_hours=0, unsafe=True, metadata={"run_id": "tonight"})

    (gone,) = before - stored(engine)
    assert (done, gone.exists()) == (seen, False)
    assert rows(sail) == sorted([*days(1, quantity=7), *days(2)], key=repr)
    assert engine.history("silver.sales", 1)[0].metadata["run_id"] == "tonight"
    version = engine.version("silver.sales")
    assert engine.vacuum("silver.sales", retain_hours=0, unsafe=True).files == 0
    assert engine.version("silver.sales") == version


def test_an_older_version_is_restored_as_a_new_one(engine, sail):
    sail.append(SALES, table(*days(1, 2)), token=Token("some", 1))
    then = dt.datetime.now(tz=dt.UTC)
    sail.append(SALES, table(*days(2, quantity=9)), token=Token("some", 2))
    sail.publish(SALES, table(*days(1, quantity=9)), on(day(1)))

    assert engine.restore("silver.sales", then, metadata={"run_id": "tonight"}) == 4

    assert rows(engine) == days(1, 2)
    assert rows(sail, version=3) == sorted([*days(1, quantity=9), *days(2), *days(2, quantity=9)], key=repr)
    assert engine.history("silver.sales", 1)[0].metadata["run_id"] == "tonight"
    assert engine.last_token("silver.sales", "some") == 2


def test_an_engine_optimizes_what_another_has_written_and_optimized(engine, sail):
    given = append(sail, RECEIVED, days(1, 2), days(1, quantity=1))
    engine.optimize("bronze.sales")
    sail.append(RECEIVED, table(*days(1, quantity=2)))
    engine.append(RECEIVED, table(*days(1, quantity=3)))
    engine.optimize("bronze.sales", zorder=["quantity"])
    sail.append(RECEIVED, table(*days(1, quantity=4)))
    sail.optimize("bronze.sales")
    everything = sorted([*given, *(row for number in (2, 3, 4) for row in days(1, quantity=number))], key=repr)
    assert rows(engine, "bronze.sales") == rows(sail, "bronze.sales") == everything
    assert files(sail, "bronze.sales") == {"2011-03-01": 1, "2011-03-02": 1}


def test_a_partition_may_have_any_name(engine, sail):
    name = "a/b = 'c' \\ 100% ü"
    given = append(sail, NAMED, [(day(1), name, 1), (None, name, 1)], [(day(1), name, 2), (day(1), "b", 1)])
    done = engine.optimize("silver.named", [{"name": name}], zorder=["quantity"])
    assert (done.partitions, done.skipped, done.files) == (2, 0, (3, 2))
    assert rows(engine, "silver.named") == given
    before = stored(engine, "silver.named")
    assert engine.vacuum("silver.named", retain_hours=0, unsafe=True).files == 3
    assert len(before - stored(engine, "silver.named")) == 3
    assert rows(sail, "silver.named") == given


# What needs to be rewritten


def test_an_operation_on_a_table_that_was_never_written_says_so(sail):
    for operation in (
        lambda: sail.optimize("silver.sales"),
        lambda: sail.vacuum("silver.sales"),
        lambda: sail.restore("silver.sales", 1),
        lambda: sail.describe("silver.sales"),
    ):
        with pytest.raises(MissingTableError, match=r"silver\.sales has never been written"):
            operation()


def test_only_the_partitions_asked_for_are_rewritten(sail):
    append(sail, NAMED, [(day(1), "a", 1), (day(2), "a", 1), (day(1), "b", 1), (None, "b", 1)], [(day(1), "a", 2)])
    append(sail, NAMED, [(day(2), "a", 2), (day(1), "b", 2), (None, "b", 2)])
    for number in (3, 4):
        sail.append(NAMED, table((day(2), "a", number), (day(1), "b", number), (None, "b", number)))
    assert sail.optimize("silver.named", [{"name": "b", "business_date": None}]).partitions == 1
    assert sail.optimize("silver.named", [{"business_date": "2011-03-01"}]).partitions == 2
    assert files(sail, "silver.named") == {"a/2011-03-01": 1, "a/2011-03-02": 3, "b/None": 1, "b/2011-03-01": 1}
    with pytest.raises(TableError, match=r"silver\.named is partitioned by name, business_date, not by day"):
        sail.optimize("silver.named", [{"day": "2011-03-01"}])


def test_large_files_are_left_alone(sail, monkeypatch):
    append(sail, SALES, days(1), days(1), days(1))
    sizes = [file.stat().st_size for file in stored(sail)]
    monkeypatch.setattr(data_files, "SMALL_BYTES", min(sizes))
    assert sail.optimize("silver.sales").partitions == 0
    monkeypatch.setattr(data_files, "SMALL_BYTES", max(sizes) + 1)
    assert sail.optimize("silver.sales").files == (3, 1)


def test_a_table_without_partitions_is_one(sail):
    given = append(sail, WHOLE, days(1, 2), days(3), days(4))
    assert sail.optimize("silver.whole").files == (3, 1)
    assert sail.optimize("silver.whole", zorder=["business_date"]).partitions == 1
    assert rows(sail, "silver.whole") == given


def test_a_column_that_came_later_stays_null_in_older_rows(sail):
    append(sail, SALES, days(1), days(1))
    wider = SCHEMA.append(pa.field("colour", pa.string()))
    sail.append(TableLayout("silver.sales", wider, ("business_date",)), table((day(1), "a", 0, "red"), schema=wider))
    before = rows(sail)
    assert sail.optimize("silver.sales").files == (3, 1)
    assert rows(sail) == before == [(day(1), "a", 0, "red"), (day(1), "a", 0, None), (day(1), "a", 0, None)]


def test_every_type_and_null_survives(sail):
    schema = pa.schema(
        [
            ("business_date", pa.date32()),
            ("amount", pa.decimal128(38, 10)),
            ("at", pa.timestamp("us", tz="UTC")),
            ("local", pa.timestamp("us")),
            ("flag", pa.bool_()),
            ("data", pa.binary()),
            ("share", pa.float64()),
            ("rules", pa.list_(pa.string())),
            ("pair", pa.struct([("left", pa.int64()), ("right", pa.string())])),
        ]
    )
    layout = TableLayout("silver.types", schema, ("business_date",))
    at = dt.datetime(9999, 12, 31, 23, 59, 59, 999999)  # noqa: DTZ001 - one of the columns has no zone
    whole = (day(1), 10**27, at.replace(tzinfo=dt.UTC), at, True, b"\0\xff", 0.1, ["a", None], {"left": 1, "right": ""})
    for row in (whole, (day(1), *[None] * 8)):
        sail.append(layout, table(row, schema=schema))
    before = rows(sail, "silver.types")
    sail.optimize("silver.types")
    sail.optimize("silver.types", zorder=["amount", "at"])
    assert rows(sail, "silver.types") == before
    assert len(before) == 2


def test_columns_that_cannot_order_a_table_are_refused_with_those_that_can(sail):
    append(sail, SALES, days(1))
    for column in ("colour", "business_date"):
        with pytest.raises(TableError, match=rf"order of {column}; choose among .* no partitions: name, quantity"):
            sail.optimize("silver.sales", zorder=[column])


def test_the_columns_of_an_order_have_statistics_from_then_on(engine, sail):
    counted = TableLayout("silver.sales", SCHEMA, ("business_date",), statistics=("name",))
    append(sail, counted, days(1, quantity=1), days(1, quantity=2))
    assert bounds(engine) == {"min.name"}
    engine.optimize("silver.sales", zorder=["quantity"])
    assert bounds(engine) == {"min.name", "min.quantity"}
    assert engine.optimize("silver.sales", zorder=["quantity"]).partitions == 0
    engine.append(SALES, table(*days(2)))
    assert bounds(engine) == {"min.name", "min.quantity"}


def test_another_order_is_another_z_order(sail):
    append(sail, SALES, days(1), days(1))
    assert sail.optimize("silver.sales", zorder=["name"]).partitions == 1
    assert sail.optimize("silver.sales", zorder=["quantity"]).partitions == 1
    assert sail.optimize("silver.sales", zorder=["name"]).partitions == 1, "the files are in another order now"


def test_a_partition_is_put_in_order_again_when_the_log_has_forgotten(sail):
    append(sail, SALES, days(1), days(1))
    done = sail.optimize("silver.sales", zorder=["name"])
    DeltaTable(f"{sail.root}/silver/sales").create_checkpoint()
    Path(sail.root, "silver", "sales", "_delta_log", f"{done.version:020}.json").unlink()
    assert sail.optimize("silver.sales", zorder=["name"]).partitions == 1


def test_tokens_survive_every_operation_and_a_checkpoint(sail):
    append(sail, SALES, days(1), days(1), days(1))
    sail.optimize("silver.sales")
    sail.restore("silver.sales", 2)
    sail.optimize("silver.sales", zorder=["name"])
    sail.vacuum("silver.sales", retain_hours=0, unsafe=True)
    DeltaTable(f"{sail.root}/silver/sales").create_checkpoint()
    for commit in Path(sail.root, "silver", "sales", "_delta_log").glob("*.json"):
        commit.unlink()
    assert sail.last_token("silver.sales", "some") == 3
    assert rows(sail) == [*days(1), *days(1)]


def test_nothing_but_the_new_files_is_left_of_a_rewriting(sail):
    append(sail, SALES, days(1, 2), days(1, 2))
    sail.optimize("silver.sales", zorder=["name"])
    left = [path for path in Path(sail.root, "silver", "sales", "optimized").rglob("*") if path.is_file()]
    assert len(left) == 2
    assert {str(path) for path in left} == set(DeltaTable(f"{sail.root}/silver/sales").file_uris())


# Side by side


def competing(engine, act):
    """Rewrite a table's files, with something else happening between the reading and the commit."""
    location, looks = f"{engine.root}/silver/sales", iter([lambda: None, act])

    def reopen() -> DeltaTable:
        next(looks, lambda: None)()
        return DeltaTable(location)

    return rewrite(reopen, location, {}, data_files.by_partition(data_files.data_files(DeltaTable(location))), [], {})


def test_rows_that_are_appended_meanwhile_stay(sail):
    given = append(sail, SALES, days(1), days(1, quantity=1))
    version = competing(sail, lambda: sail.append(SALES, table(*days(1, quantity=2))))
    assert version == 4
    assert rows(sail) == sorted([*given, *days(1, quantity=2)], key=repr)


def test_an_optimization_of_files_that_are_replaced_meanwhile_is_refused(sail):
    append(sail, SALES, days(1), days(1, quantity=1))
    with pytest.raises(TableError, match=r"have been replaced by another commit; nothing is committed, do it again"):
        competing(sail, lambda: sail.publish(SALES, table(*days(1, quantity=9)), on(day(1))))
    assert rows(sail) == days(1, quantity=9)
    assert not any(path.is_file() for path in Path(sail.root, "silver", "sales", "optimized").rglob("*"))


def test_of_two_optimizations_at_once_one_is_refused(sail):
    """delta-rs itself commits both, and every row is there twice."""
    given = append(sail, SALES, days(1), days(1, quantity=1))
    with pytest.raises(TableError, match="do it again"):
        competing(sail, lambda: sail.optimize("silver.sales"))
    assert rows(sail) == given
    table_ = DeltaTable(f"{sail.root}/silver/sales")
    stale = DeltaTable(f"{sail.root}/silver/sales", version=2)
    stale.optimize.compact()
    assert table_.version() == 3
    assert len(rows(sail)) == 2 * len(given), "delta-rs has mended this: lakehouse/delta/compaction.py may go"


def test_a_publication_whose_files_are_rewritten_meanwhile_is_refused_and_can_be_repeated(sail):
    append(sail, SALES, days(1), days(1, quantity=1))

    def slow():
        yield from table(*days(1, quantity=9)).to_batches()
        other = threading.Thread(target=lambda: sail.optimize("silver.sales"))
        other.start()
        other.join()

    class Gate:
        def stream(self, batches):
            del batches
            return slow()

    with pytest.raises(TableError, match="nothing is committed"):
        sail.publish(SALES, table(), on(day(1)), gate=Gate())
    assert rows(sail) == [*days(1), *days(1, quantity=1)]
    sail.publish(SALES, table(*days(1, quantity=9)), on(day(1)))
    assert rows(sail) == days(1, quantity=9)


def test_a_restore_with_a_commit_meanwhile_loses_nothing(sail):
    append(sail, SALES, days(1), days(2))
    SailEngine(sail.root).append(SALES, table(*days(3)))
    then = partial(DeltaTable, f"{sail.root}/silver/sales", version=2)
    sail._written = lambda _: then()  # noqa: SLF001 - the restore has looked before the commit
    with pytest.raises(TableError, match="nothing is committed"):
        sail.restore("silver.sales", 1)
    assert rows(SailEngine(sail.root)) == days(1, 2, 3)


@pytest.mark.parametrize("rounds", [2, pytest.param(12, marks=pytest.mark.long)])
def test_writers_and_optimizers_at_once_lose_and_double_no_row(engine, sail, rounds):
    """Two append, one publishes its day again and again, and two optimize all the while, on whichever engine."""
    sail.append(SALES, table(*days(9)))
    sail.publish(SALES, table(*days(8)), on(day(8)))
    stop = threading.Event()
    refused: list[str] = []
    failed: list[Exception] = []

    def insist(act) -> None:
        for _ in range(100):
            try:
                act()
            except TableError as error:
                refused.append(str(error))
            else:
                return
        failed.append(AssertionError(f"refused a hundred times: {refused[-1]}"))

    def optimize(own) -> None:
        while not stop.is_set():
            insist(lambda: own.optimize("silver.sales"))

    writers = [
        threading.Thread(
            target=lambda: [
                insist(lambda n=n: engine.append(SALES, table(*days(1, quantity=n)), token=Token("one", n)))
                for n in range(rounds)
            ]
        ),
        threading.Thread(
            target=lambda: [
                insist(lambda n=n: sail.append(SALES, table(*days(1, 2, quantity=n)), token=Token("two", n)))
                for n in range(rounds)
            ]
        ),
        threading.Thread(
            target=lambda: [
                insist(lambda n=n: sail.publish(SALES, table(*days(8, quantity=n)), on(day(8)))) for n in range(rounds)
            ]
        ),
    ]
    optimizers = [threading.Thread(target=optimize, args=(own,)) for own in (engine, sail)]
    for thread in (*writers, *optimizers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in optimizers:
        thread.join()
    sail.optimize("silver.sales")

    assert not failed
    every = range(rounds)
    expected = [
        *days(9),
        *days(8, quantity=rounds - 1),
        *(row for n in every for row in (*days(1, quantity=n), *days(1, 2, quantity=n))),
    ]
    assert rows(sail) == sorted(expected, key=repr)
    assert set(files(sail).values()) == {1}
    assert any(commit.operation == "OPTIMIZE" for commit in sail.history("silver.sales"))


def test_an_optimization_works_on_an_object_store(remote):
    """On each store: the commit is one conditional put, and the loser of two leaves no file behind."""
    engine = SailEngine(f"{remote.uri}/lake")
    given = append(engine, SALES, days(1, 2), days(1, 2, quantity=1))
    outcomes: list[str] = []

    def optimize() -> None:
        try:
            outcomes.append(f"{engine.optimize('silver.sales').partitions} partitions")
        except TableError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=optimize) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("2 partitions") == 1, outcomes
    assert rows(engine) == given
    assert engine.vacuum("silver.sales", dry_run=True, retain_hours=0, unsafe=True).files == 4
    engine.vacuum("silver.sales", retain_hours=0, unsafe=True)
    assert rows(engine) == given


# Deleting


def test_less_than_the_tables_own_time_is_refused_unless_it_is_asked_for(sail):
    append(sail, SALES, days(1), days(1))
    sail.optimize("silver.sales")
    with pytest.raises(TableError, match=r"silver\.sales keeps files out of use for 168 hours; .* 167 hours is unsafe"):
        sail.vacuum("silver.sales", retain_hours=167, dry_run=True)
    assert sail.vacuum("silver.sales", retain_hours=0, unsafe=True, dry_run=True).files == 2


@pytest.mark.parametrize(
    ("said", "hours"), [("interval 30 days", 720), ("interval 2 weeks", 336), ("interval 1 hour", 1)]
)
def test_a_table_may_keep_its_files_longer_or_shorter(sail, said, hours):
    layout = TableLayout("silver.sales", SCHEMA, (), {"delta.deletedFileRetentionDuration": said})
    append(sail, layout, days(1))
    assert sail.vacuum("silver.sales", dry_run=True).retain_hours == hours


def test_files_of_writes_that_never_came_to_a_commit_are_deleted_a_week_later(sail):
    append(sail, SALES, days(1))
    with pytest.raises(TableError):
        sail.publish(SALES, table(*days(1, 2)), on(day(1)))  # the second day lies outside, after the first was written
    left = Path(sail.root, "silver", "sales", "business_date=2011-03-01", "part-left.parquet")
    left.write_bytes(b"some rows")
    grow_old(left, hours=167)
    assert sail.vacuum("silver.sales").files == 0
    grow_old(left, hours=169)
    done = sail.vacuum("silver.sales")
    assert (done.files, done.bytes, left.exists()) == (1, 9, False)
    assert rows(sail) == days(1)


# Restoring


def test_what_a_restore_would_do_is_told_first(sail):
    append(sail, SALES, days(1, 2, 3))
    sail.publish(SALES, table(*days(1), *days(1)), on(day(1)))
    sail.publish(SALES, table(), on(day(2)))
    plan = sail.restoration("silver.sales", 1)
    assert (plan.version, plan.newest, plan.missing) == (1, 3, 0)
    assert [(dict(change.partition), change.rows_before, change.rows_after) for change in plan.changes] == [
        ({"business_date": "2011-03-01"}, 2, 1),
        ({"business_date": "2011-03-02"}, 0, 1),
    ]
    assert sail.version("silver.sales") == 3


def test_a_version_whose_files_are_gone_is_not_restored(sail):
    append(sail, SALES, days(1))
    sail.publish(SALES, table(*days(1, quantity=9)), on(day(1)))
    sail.vacuum("silver.sales", retain_hours=0, unsafe=True)
    with pytest.raises(TableError, match=r"version 1: 1 of its files have been deleted by a vacuum; choose a later"):
        sail.restore("silver.sales", 1)
    assert rows(sail) == days(1, quantity=9)


@pytest.mark.parametrize(
    ("name", "properties", "why"),
    [
        ("bronze.sales", {}, "never taken in again"),
        ("system.landing_files", {}, "files would be taken in twice"),
        ("silver.quarantine", {}, "what the newest audit of each day has rejected"),
        ("silver.received", {"delta.appendOnly": "true"}, "it only grows"),
    ],
)
def test_tables_that_others_count_on_are_not_restored(sail, name, properties, why):
    append(sail, TableLayout(name, SCHEMA, ("business_date",), properties), days(1), days(2))
    for restore in (sail.restore, sail.restoration):
        with pytest.raises(TableError, match=rf"{name} is not restored: .*{why}"):
            restore(name, 1)
    assert sail.version(name) == 2


def test_a_restore_can_be_undone(sail):
    append(sail, SALES, days(1), days(2))
    assert sail.restore("silver.sales", 1) == 3
    assert sail.restore("silver.sales", 2) == 4
    assert rows(sail) == days(1, 2)


@pytest.mark.parametrize(("point", "told"), [(2, "is at version 2 already"), (9, "has no version 9; its newest is 2")])
def test_a_version_that_is_there_already_or_never_was_is_refused(sail, point, told):
    append(sail, SALES, days(1), days(2))
    with pytest.raises(TableError, match=told):
        sail.restore("silver.sales", point)


def test_a_restore_takes_the_columns_of_then_and_the_next_write_brings_the_new_ones_back(sail):
    append(sail, SALES, days(1))
    wider = SCHEMA.append(pa.field("colour", pa.string()))
    layout = TableLayout("silver.sales", wider, ("business_date",))
    sail.append(layout, table((day(2), "b", 1, "red"), schema=wider))
    sail.restore("silver.sales", 1)
    assert rows(sail) == days(1)
    sail.append(layout, table((day(2), "b", 1, "blue"), schema=wider))
    assert rows(sail) == [(day(1), "a", 0, None), (day(2), "b", 1, "blue")]


# Describing


def test_a_table_is_described_by_its_log(sail):
    layout = TableLayout("silver.sales", SCHEMA, ("business_date",), {"delta.appendOnly": "true"}, "What was sold.")
    append(sail, layout, days(1, 2), days(1), days(1))
    found = sail.describe("silver.sales")
    assert (found.version, found.partitions, found.files, found.small_files, found.rows) == (3, 2, 4, 3, 4)
    assert (found.partition_columns, found.protocol) == (("business_date",), (1, 2))
    assert (found.description, found.properties) == (
        "What was sold.",
        {"delta.appendOnly": "true", "delta.checkpointInterval": "10"},
    )
    assert found.columns == SCHEMA
    assert found.bytes == sum(path.stat().st_size for path in stored(sail))
    assert (found.optimized, found.vacuumed) == (None, None)
    sail.optimize("silver.sales")
    sail.vacuum("silver.sales", retain_hours=0, unsafe=True)
    found = sail.describe("silver.sales")
    assert (found.optimized.version, found.vacuumed.version) == (4, 6)
