"""New landing objects become requests: the pure plan, and the sensor on disk and on S3."""

from __future__ import annotations

import datetime as dt
import os
import time

import dagster as dg
import pytest

from lakehouse.engines.sail import SailEngine
from lakehouse.ingestion.file_registry import register
from lakehouse.landing.zone import LandingObject, open_landing, route
from lakehouse.orchestration import landing_scan
from lakehouse.orchestration.landing_scan import (
    BRIDGED_DAYS,
    OVERLAP,
    Cursor,
    LandingScan,
    dump_cursors,
    load_cursors,
    scan_objects,
)
from lakehouse.settings import Settings
from lakehouse_assets.definitions import build_defs
from tests.line import Line
from tests.scenario import csv_bytes, day, drop, sale

NOON = dt.datetime(2011, 3, 1, 12, 0, tzinfo=dt.UTC)
CALENDAR = (dt.date(2010, 12, 1), dt.date(2011, 12, 31))


def landed(key: str, seconds: float = 0, etag: str = "e1") -> LandingObject:
    """Return an object that landed so many seconds after noon."""
    return LandingObject(NOON + dt.timedelta(seconds=seconds), key, etag, 1)


def file_of(when: dt.date | int, seconds: float = 0, etag: str = "e1", name: str = "") -> LandingObject:
    """Return a transactions file of a day."""
    when = day(when) if isinstance(when, int) else when
    return landed(f"transactions/{when}{name}.csv", seconds, etag)


class Looks:
    """One look after the other at what is listed, with the cursor kept as text in between."""

    def __init__(self, materialized=(), last: dt.date = CALENDAR[1]) -> None:
        """Have looked at nothing."""
        self.text = None
        self.materialized = set(materialized)
        self.last = last
        self.taken: set[tuple[str, str]] = set()
        self.asked = 0

    def registered(self, source: str) -> set[tuple[str, str]]:
        """Return what was taken, and count how often it is asked for."""
        self.asked += 1
        return {version for version in self.taken if version[0].startswith(source)}

    def __call__(self, *listed: LandingObject, **others: list[LandingObject]) -> LandingScan:
        """Look once."""
        found = scan_objects(
            {"transactions": listed, **others},
            load_cursors(self.text),
            calendar=(CALENDAR[0], self.last),
            materialized={"transactions": self.materialized},
            registered=self.registered,
        )
        self.text = dump_cursors(found.cursors)
        for request in found.requests:
            for item in (*listed, *[one for objects in others.values() for one in objects]):
                where = route(item.key)
                if where and where.source == request.source and request.first <= where.landing_date <= request.last:
                    self.taken.add((item.key, item.etag))
        return found

    def spans(self, *listed: LandingObject) -> list[tuple[int, int]]:
        """Look, and return the days of March that are requested."""
        return [(request.first.day, request.last.day) for request in self(*listed).requests]


def test_a_new_object_is_requested_once():
    look = Looks()
    assert look.spans(file_of(1)) == [(1, 1)]
    assert look.spans(file_of(1)) == []
    assert look.spans(file_of(1), file_of(2, 60)) == [(2, 2)]


def test_files_of_one_day_are_one_request():
    look = Looks()
    (request,) = look(file_of(1), file_of(1, 1, name="-b"), landed(f"transactions/dt={day(1)}/c.csv", 2)).requests
    assert (request.first, request.last, request.tags) == (day(1), day(1), {})


def test_days_that_follow_each_other_are_one_range():
    (request,) = Looks()(file_of(1), file_of(2), file_of(3)).requests
    assert request.tags == {
        "dagster/asset_partition_range_start": "2011-03-01",
        "dagster/asset_partition_range_end": "2011-03-03",
    }


def test_an_object_of_the_same_second_that_is_listed_later_is_not_missed():
    look = Looks()
    look(file_of(1))
    assert look.spans(file_of(1), file_of(2)) == [(2, 2)]


@pytest.mark.parametrize("early", [0, 5, 10])
def test_an_object_listed_a_little_late_is_not_missed(early):
    look = Looks()
    look(file_of(1, 100))
    assert look.spans(file_of(1, 100), file_of(2, 100 - early)) == [(2, 2)]
    assert look.spans(file_of(1, 100), file_of(2, 100 - early)) == []


def test_a_changed_object_is_requested_again():
    look = Looks()
    look(file_of(1))
    assert look.spans(file_of(1, 0, etag="e2")) == [(1, 1)]
    assert look.spans(file_of(1, 500, etag="e3")) == [(1, 1)]
    assert look.spans(file_of(1, 500, etag="e3")) == []


def test_a_deleted_object_is_forgotten_and_welcome_again():
    look = Looks()
    look(file_of(1), file_of(2))
    assert look.spans(file_of(2)) == []
    assert look.spans() == []
    assert look.spans(file_of(1, 30), file_of(2)) == [(1, 1)]


def test_a_key_that_says_no_known_date_is_named_once_and_stops_nothing():
    look = Looks()
    strange = [
        landed("transactions/readme.txt"),
        landed("transactions/2011-03-01.xlsx"),
        landed("transactions/2011-02-30.csv"),
        landed("transactions/1999-01-01.csv"),
    ]
    found = look(*strange, file_of(1))
    assert sorted(found.unroutable) == sorted(item.key for item in strange)
    assert [request.first for request in found.requests] == [day(1)]
    assert look(*strange, file_of(1)).unroutable == ()


def test_ranges_reach_across_short_gaps_of_days_that_never_were():
    assert Looks().spans(file_of(1), file_of(4), file_of(4 + BRIDGED_DAYS + 1)) == [(1, 4 + BRIDGED_DAYS + 1)]
    assert Looks().spans(file_of(1), file_of(1 + BRIDGED_DAYS + 2)) == [(1, 1), (17, 17)]


def test_ranges_never_reach_across_a_day_that_was_materialized():
    assert Looks([day(2)]).spans(file_of(1), file_of(3), file_of(4)) == [(1, 1), (3, 4)]
    assert Looks([day(1), day(3)]).spans(file_of(1), file_of(3)) == [(1, 3)]


def test_what_one_look_cannot_request_is_requested_by_the_next(monkeypatch):
    monkeypatch.setattr(landing_scan, "REQUESTS_PER_TICK", 2)
    odd = [file_of(number, seconds=1000 - 100 * number) for number in (1, 3, 5, 7, 9)]
    look = Looks([day(number) for number in range(1, 11)])
    assert look.spans(*odd) == [(1, 1), (3, 3)]
    late = file_of(11, 2000)
    assert look.spans(*odd, late) == [(5, 5), (7, 7)]
    assert look.spans(*odd, late) == [(9, 9), (11, 11)]
    assert look.spans(*odd, late) == []
    assert look.spans(*odd, late, file_of(2, 3000)) == [(2, 2)]


def test_an_object_that_changes_while_others_wait_is_requested_again(monkeypatch):
    monkeypatch.setattr(landing_scan, "REQUESTS_PER_TICK", 1)
    look = Looks([day(2)])
    assert look.spans(file_of(1), file_of(3)) == [(1, 1)]
    assert look.spans(file_of(1, 50, etag="e2"), file_of(3)) == [(1, 1)]
    assert look.spans(file_of(1, 50, etag="e2"), file_of(3)) == [(3, 3)]
    assert look.spans(file_of(1, 50, etag="e2"), file_of(3)) == []


def test_requests_are_shared_among_sources_and_none_is_lost(monkeypatch):
    monkeypatch.setattr(landing_scan, "REQUESTS_PER_TICK", 2)
    look = Looks([day(2)])
    others = [landed(f"customers/{day(number)}.jsonl") for number in (1, 20)]
    first = look(file_of(1), file_of(3), customers=others)
    second = look(file_of(1), file_of(3), customers=others)
    assert [request.source for request in (*first.requests, *second.requests)] == ["transactions"] * 2 + [
        "customers"
    ] * 2
    assert look(file_of(1), file_of(3), customers=others).requests == ()


def test_sources_have_cursors_of_their_own():
    look = Looks()
    look(file_of(1, 1000), customers=[])
    found = look(file_of(1, 1000), customers=[landed(f"customers/{day(1)}.jsonl", 0)])
    assert [request.source for request in found.requests] == ["customers"]


def test_the_cursor_holds_the_last_seconds_only():
    look = Looks()
    for number in range(300):
        look(*[file_of(CALENDAR[0] + dt.timedelta(days=past), 60 * past) for past in range(number + 1)])
    (cursor,) = load_cursors(look.text).values()
    assert len(cursor.seen) == 1
    assert cursor.watermark == NOON + dt.timedelta(seconds=60 * 299)


def test_an_object_dated_long_before_it_is_listed_is_not_missed():
    look = Looks()
    assert look.spans(file_of(1, 0), file_of(2, 5000)) == [(1, 2)]
    slow = file_of(3, 100)  # S3 dates a multipart upload by its beginning
    assert look.spans(file_of(1, 0), slow, file_of(2, 5000)) == [(3, 3)]
    assert look.spans(file_of(1, 0), slow, file_of(2, 5000)) == []
    assert look.asked == 1


def test_more_overlooked_objects_than_one_look_requests_are_not_missed_either(monkeypatch):
    monkeypatch.setattr(landing_scan, "REQUESTS_PER_TICK", 1)
    look = Looks([day(number) for number in range(1, 10)])
    assert look.spans(file_of(9, 5000)) == [(9, 9)]
    slow = [file_of(number, 100) for number in (1, 3, 5)]
    found = [look.spans(*slow, file_of(9, 5000)) for _ in range(4)]
    assert found == [[(1, 1)], [(3, 3)], [(5, 5)], []]


def test_the_registry_is_asked_only_when_older_objects_changed():
    look = Looks()
    objects = [file_of(number, 100 * number) for number in range(1, 6)]
    for number in range(1, 6):
        look(*objects[:number])
        look(*objects[:number])
    assert look.asked == 0
    assert look.spans(*objects[1:]) == []  # one is gone
    assert look.asked == 1
    assert look.spans(*objects[1:]) == []
    assert look.asked == 1


@pytest.mark.parametrize("meanwhile", [5, 5000])
def test_a_file_dated_tomorrow_is_taken_tomorrow(meanwhile):
    look = Looks(last=day(2))
    early = file_of(3)
    assert look(early).unroutable == (early.key,)
    assert look(early).unroutable == ()
    assert look.spans(early, file_of(2, meanwhile)) == [(2, 2)]
    assert look(early, file_of(2, meanwhile)).unroutable == ()
    look.last = day(3)
    assert look.spans(early, file_of(2, meanwhile)) == [(3, 3)]
    assert look.spans(early, file_of(2, meanwhile)) == []


def key_of(*objects: LandingObject) -> str:
    """Return the run key of the one request for some objects."""
    (request,) = Looks()(*objects).requests
    return request.run_key


def test_a_run_key_names_the_versions_whatever_their_order():
    one = key_of(file_of(1), file_of(2, 3))
    assert one == key_of(file_of(2, 3), file_of(1))
    assert one.startswith("transactions:2011-03-01:2011-03-02:")
    others = [[file_of(1), file_of(2, 3, etag="e2")], [file_of(1), file_of(2, 3), file_of(1, name="-b")], [file_of(1)]]
    assert len({one, *[key_of(*objects) for objects in others]}) == 4


def test_a_file_that_is_put_back_as_it_once_was_starts_a_run_of_its_own():
    assert key_of(file_of(1, 0, etag="e1")) != key_of(file_of(1, 900, etag="e1"))


def test_a_cursor_survives_being_written_down():
    objects = [file_of(1), file_of(2, 300), file_of(3, 303)]
    advanced = Cursor().advanced(objects, objects, [landed("transactions/readme.txt", 304)], complete=True)
    assert (len(advanced.seen), advanced.settled != "") == (3, True)
    cursors = {"transactions": advanced, "products": Cursor()}
    assert load_cursors(dump_cursors(cursors)) == cursors
    assert load_cursors(None) == {}


def test_nothing_in_the_overlap_is_ever_forgotten_while_it_is_listed():
    look = Looks()
    objects = []
    for place in range(40):
        objects.append(file_of(CALENDAR[0] + dt.timedelta(days=place), place * OVERLAP.total_seconds() / 4))
        assert len(look(*objects).requests) == 1
        assert look(*objects).requests == ()


def evaluate(definitions, instance, cursor=None, **resources):
    """Evaluate the landing sensor once, as the daemon does."""
    sensor = definitions.get_sensor_def("landing")
    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=definitions, resources=resources)
    return sensor(context)


def requested(result):
    """Return what a tick requests: job, partition or range."""
    return [
        (
            run.job_name,
            run.partition_key
            or (run.tags["dagster/asset_partition_range_start"], run.tags["dagster/asset_partition_range_end"]),
        )
        for run in result.run_requests or []
    ]


def test_the_sensor_requests_the_jobs_of_what_landed_on_disk(landing_root):
    line = Line(landing_root)
    assert requested(evaluate(line.defs, line.instance, lakehouse=line.lakehouse)) == []
    line.land(1)
    line.land(2)
    drop(landing_root, "customers/2011-03-05.jsonl", b"{}\n")
    drop(landing_root, "unknown/2011-03-05.jsonl", b"{}\n")
    first = evaluate(line.defs, line.instance, lakehouse=line.lakehouse)
    assert sorted(requested(first)) == [("customers", "2011-03-05"), ("transactions", ("2011-03-01", "2011-03-02"))]
    second = evaluate(line.defs, line.instance, first.cursor, lakehouse=line.lakehouse)
    assert (requested(second), second.skip_reason.skip_message) == ([], "no new objects")


def test_a_file_moved_in_with_an_old_time_of_writing_is_seen(landing_root):
    line = Line(landing_root)
    line.land(2)
    first = evaluate(line.defs, line.instance, lakehouse=line.lakehouse)
    aside = drop(landing_root.parent, "aside.csv", csv_bytes([sale("1")]))
    os.utime(aside, (0, 0))
    aside.rename(landing_root / "transactions" / "2011-03-01.csv")
    second = evaluate(line.defs, line.instance, first.cursor, lakehouse=line.lakehouse)
    assert requested(second) == [("transactions", "2011-03-01")]


def test_a_file_that_was_taken_is_known_by_the_registry(landing_root):
    line = Line(landing_root)
    line.land(1)
    line.land(2)
    line.run(1)
    (listed,) = [
        found for found in open_landing(line.settings.landing).objects("transactions/") if "03-01" in found.key
    ]
    assert landing_scan._registered(line.settings, "transactions") == {(listed.key, listed.etag)}  # noqa: SLF001
    assert landing_scan._registered(line.settings, "customers") == set()  # noqa: SLF001


def test_the_sensor_asks_for_what_a_dead_run_did_not_report(landing_root):
    line = Line(landing_root)
    line.land(1)
    ingestion = line.lakehouse.ingestion(line.sources[-1])
    assert ingestion.source.name == "transactions"
    ingestion.run([day(1)], run_id="dead")
    cursor = evaluate(line.defs, line.instance, lakehouse=line.lakehouse).cursor
    result = evaluate(line.defs, line.instance, cursor, lakehouse=line.lakehouse)
    assert [(run.run_key, run.partition_key) for run in result.run_requests] == [("recover:dead", "2011-03-01")]


@pytest.fixture
def on_s3(lake_root, s3):
    """Evaluate the sensor over the bucket, tick after tick, and return what each requests."""
    definitions = build_defs(Settings(root=str(lake_root), landing=f"{s3.uri}/landing"))
    instance = dg.DagsterInstance.ephemeral()
    cursor = None

    def tick():
        nonlocal cursor
        result = evaluate(definitions, instance, cursor, lakehouse=definitions.resources["lakehouse"])
        cursor = result.cursor
        return sorted(requested(result))

    return tick


def test_objects_on_s3_are_requested_by_version(s3, on_s3):
    assert on_s3() == []
    s3.put("landing/transactions/2011-03-01.csv")
    assert on_s3() == [("transactions", "2011-03-01")]
    s3.put("landing/transactions/2011-03-02.csv")  # within the same second
    s3.put("landing/transactions/.hidden/2011-03-09.csv")
    s3.put("landing/elsewhere/2011-03-02.csv")
    assert on_s3() == [("transactions", "2011-03-02")]
    s3.put("landing/transactions/2011-03-01.csv", b"other bytes")
    assert on_s3() == [("transactions", "2011-03-01")]
    s3.client.delete_object(Bucket=s3.name, Key="landing/transactions/2011-03-02.csv")
    assert on_s3() == []


def test_objects_sent_again_are_requested_again_whatever_their_bytes(s3, on_s3):
    s3.put("landing/transactions/2011-03-01.csv", b"some bytes")
    s3.put("landing/transactions/2011-03-02.csv", b"some bytes")
    assert on_s3() == [("transactions", ("2011-03-01", "2011-03-02"))]
    time.sleep(1.1)  # within one second the same bytes are the same version
    s3.put("landing/transactions/2011-03-01.csv", b"some bytes")
    assert on_s3() == [("transactions", "2011-03-01")]
    s3.put("landing/transactions/2011-03-02.csv", b"same bytes")
    s3.put("landing/transactions/2011-03-02.csv", b"other byte")
    assert on_s3() == [("transactions", "2011-03-02")]
    assert on_s3() == []


def test_objects_that_are_deleted_and_come_back_are_requested(s3, on_s3):
    s3.put_all(f"landing/transactions/2011-03-0{number}.csv" for number in range(1, 4))
    assert on_s3() == [("transactions", ("2011-03-01", "2011-03-03"))]
    s3.delete("landing/transactions/2011-03-02.csv")
    assert on_s3() == []
    s3.put("landing/transactions/2011-03-02.csv")
    assert on_s3() == [("transactions", "2011-03-02")]
    for number in range(1, 4):
        s3.delete(f"landing/transactions/2011-03-0{number}.csv")
    assert on_s3() == []


def test_objects_of_one_second_are_all_requested_and_each_once(s3, on_s3):
    """Times are told by the second: moto does as Amazon does."""
    days = [dt.date(2011, 3, 1) + dt.timedelta(days=number) for number in range(20)]
    asked = []
    for when in days:
        s3.put(f"landing/transactions/{when}.csv")
        asked += on_s3()
    assert asked == [("transactions", str(when)) for when in days]
    assert on_s3() == []


@pytest.mark.parametrize("parts", [12, pytest.param(100, marks=pytest.mark.long)])
def test_one_object_among_thousands_is_found_whatever_happens_to_it(s3, on_s3, lake_root, parts):
    """The short dose is more than the thousand that a page holds; the long one is ten thousand."""
    days = [dt.date(2011, 1, 1) + dt.timedelta(days=number) for number in range(100)]
    s3.put_all(f"landing/products/dt={when}/{part:03}.parquet" for when in days for part in range(parts))
    assert on_s3() == [("products", (str(days[0]), str(days[-1])))]
    engine, landing = SailEngine(str(lake_root)), open_landing(f"{s3.uri}/landing")
    take(engine, 1, landing.objects("products/"))
    assert on_s3() == []
    s3.put(f"landing/products/dt={days[50]}/100.parquet")
    assert on_s3() == [("products", str(days[50]))]
    take(engine, 2, landing.objects(f"products/dt={days[50]}/100"))
    s3.put(f"landing/products/dt={days[0]}/000.parquet", b"other bytes")
    assert on_s3() == [("products", str(days[0]))]
    take(engine, 3, landing.objects(f"products/dt={days[0]}/000"))
    s3.delete(f"landing/products/dt={days[99]}/{parts - 1:03}.parquet")
    assert on_s3() == []


def take(engine, number, objects):
    """Register objects as taken by a batch."""
    rows = []
    for found in objects:
        where = route(found.key)
        known = {"source_file": found.key, "source_version": found.etag, "etag": found.etag, "size_bytes": found.size}
        rows.append({**known, "data_source": where.source, "landing_date": where.landing_date, "outcome": "ingested"})
    register(engine, "products", number, rows)
