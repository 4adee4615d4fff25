"""The clicks source: JSON lines of events, which files each day brings, and what is broken in them.

Its columns, files and kinds of broken line belong here. The sound events come from `visits.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from examples.shop import schedule
from examples.shop.catalogue import UNHEARD_OF_CUSTOMER, UNHEARD_OF_PRODUCT
from examples.shop.file_plan import Written, fault_of_file, told_of_file, until_corrected, write_copy, write_refused
from examples.shop.json_lines import LAST_LINE_CUT, damages, write_lines
from examples.shop.landing import CORRECTIONS
from examples.shop.rng import Dice
from examples.shop.rows import FileRow, RowPlant, RowSource, Values, strewn
from examples.shop.visits import Event, Visits, text_of

SOURCE = RowSource("clicks", "event_id", lambda values: (values["event_type"], 0))

_COMPRESSED_DAY, _BETA_DAY, _ARRAY_DAY, _APP_DAY, _ROBOT_DAY, _OFFLINE_DAY = 1, 2, 3, 4, 5, 6
_CUT_DAY = 6  # of each week
_RESERVED = frozenset({_ROBOT_DAY})
_APP_EVERY, _BETA_EVERY = 4, 5  # every fourth visit is one of the app, and so on
_OFFLINE_EVERY, _OFFLINE = 9, 7  # so are the phones that were out of reach until the corrections
_ROBOT_LOOKS = 12
_FAR_FUTURE = "2199-01-01T08:00:00.000Z"
_PLANTS = (
    RowPlant("event_id_missing", ("event_id:not_null",), {"event_id": None}),
    RowPlant("session_id_missing", ("session_id:not_null",), {"session_id": ""}),
    RowPlant("event_type_unknown", ("event_type:isin",), {"event_type": "hover"}),
    RowPlant("event_type_missing", ("event_type:not_null",), {"event_type": None}),
    RowPlant("user_id_not_a_number", ("user_id:readable",), {"user_id": "guest"}),
    RowPlant("cart_without_product", ("row:deal_names_a_product",), {"event_type": "cart", "stock_code": None}),
    RowPlant("purchase_without_product", ("row:deal_names_a_product",), {"event_type": "purchase", "stock_code": ""}),
    RowPlant("time_unreadable", ("clicked_at:readable",), {"ts": "just now"}),
    RowPlant("time_missing", ("clicked_at:not_null",), {"ts": None}),
    RowPlant("time_in_the_far_future", ("clicked_at:on_business_date",), {"ts": _FAR_FUTURE}),
    RowPlant("time_before_the_web", ("clicked_at:on_business_date",), {"ts": "1970-01-01T00:00:00.000Z"}),
    RowPlant("event_broken_twice", ("event_type:isin", "user_id:readable"), {"event_type": "?", "user_id": "?"}),
    *damages("url"),
)
_UNUSUAL = (
    "event_sent_twice",
    "event_number_used_again",
    "unknown_visitor",
    "unknown_product",
    "context_is_text",
    "time_of_another_zone",
    "clock_ahead",
)
_NEEDS_A_PAST = ("event_a_day_late", "event_sent_again_next_day", "after_midnight_elsewhere")


class ClickDays:
    """Writes all clicks files of the world, a day at a time.

    Args:
        visits: The sound visits.
        out: The landing root.
        seed: The seed of the world.
        days: How many days the world has.
    """

    def __init__(self, visits: Visits, out: Path, *, seed: int, days: int) -> None:
        """Remember where the visits come from and the files go."""
        self._visits = visits
        self._out = out
        self._seed = seed
        self._days = days

    def write_day(self, day: int) -> Iterator[Written]:
        """Write the files of one day, those of later waves included."""
        stories = {
            _COMPRESSED_DAY: self._compressed_day,
            _BETA_DAY: self._beta_day,
            _ARRAY_DAY: self._array_day,
            _APP_DAY: self._app_day,
            _ROBOT_DAY: self._robot_day,
            _OFFLINE_DAY: self._offline_day,
        }
        yield from stories.get(day, self._ordinary_day)(day)

    def _key(self, day: int, suffix: str = ".jsonl") -> str:
        """Return the key of a day's file."""
        return f"{SOURCE.name}/{self._visits.date_of(day)}{suffix}"

    def _visit(self, day: int, number: int) -> list[FileRow]:
        return [_row(event) for event in self._visits.visit(day, number)]

    def _rows(self, day: int) -> list[list[FileRow]]:
        """Return the visits that come with a day: those that end on it and were not out of reach."""
        today = self._visits.date_of(day)
        found = []
        for begun in (day - 1, day) if day else (day,):
            for number in range(self._visits.visits_a_day):
                visit = self._visit(begun, number)
                if visit[-1].business_date == today and not self._is_offline(begun, number):
                    found.append(_over_midnight(visit))
        return found

    def _is_offline(self, day: int, number: int) -> bool:
        return day < _OFFLINE_DAY and number % _OFFLINE_EVERY == _OFFLINE

    def _sound(self, day: int, number: int) -> Values:
        """Return an event of a day, which nobody made, to plant something with."""
        values = self._visits.visit(day, 0)[0].values
        return values | {"event_id": f"{self._visits.date_of(day):%Y%m%d}-x{number:03}"}

    def _planted(self, day: int, rows: list[FileRow]) -> list[FileRow]:
        """Return rows with what goes wrong on a day with single lines among them."""
        today = self._visits.date_of(day)
        planted = [
            plant.broken(self._sound(day, number), today)
            for number, plant in enumerate(schedule.falling_on(day, _PLANTS, _RESERVED))
        ]
        again = next(row for row in rows if row.expect is None and row.business_date == today)
        last = []
        for number, kind in enumerate(schedule.falling_on(day, _UNUSUAL, _RESERVED), start=100):
            if kind == "event_sent_twice":
                planted.append(replace(again, expect="duplicate", kind=kind))
            elif kind == "event_number_used_again":
                url = again.values["url"]
                values = again.values | {"url": f"{url}?again"}
                last.append(FileRow(values, today, "duplicate", kind, checks={"url": url}))
            elif kind != "clock_ahead" or day + 1 < self._days:
                planted.append(self._unusual(day, number, kind))
        planted += self._from_the_past(day)
        return [*strewn(rows, planted, Dice(self._seed, SOURCE.name, "places", day)), *last]

    def _unusual(self, day: int, number: int, kind: str) -> FileRow:
        """Return an event that looks odd and is to be kept."""
        today, tomorrow = self._visits.date_of(day), self._visits.date_of(day + 1)
        changed: dict[str, Values] = {
            "unknown_visitor": {"user_id": int(UNHEARD_OF_CUSTOMER)},
            "unknown_product": {"stock_code": UNHEARD_OF_PRODUCT},
            "context_is_text": {"context": "none"},
            "time_of_another_zone": {"ts": f"{today}T12:00:00.000+01:00"},
            "clock_ahead": {"ts": f"{tomorrow}T00:00:02.500Z"},
        }
        checks = {"clicked_at": f"{today}T11:00:00Z"} if kind == "time_of_another_zone" else {}
        business_date = tomorrow if kind == "clock_ahead" else today
        return FileRow(self._sound(day, number) | changed[kind], business_date, "kept", kind, checks=checks)

    def _from_the_past(self, day: int) -> list[FileRow]:
        """Return events of the day before, new and known ones."""
        kinds = schedule.falling_on(day, _NEEDS_A_PAST, _RESERVED | {0})
        rows = []
        for number, kind in enumerate(kinds, start=200):
            before = self._visits.date_of(day - 1)
            values = self._sound(day - 1, number)
            if kind == "event_sent_again_next_day":
                values = self._visits.visit(day - 1, 1)[0].values
                rows.append(FileRow(values, before, "duplicate", kind))
            elif kind == "after_midnight_elsewhere":
                values |= {"ts": f"{self._visits.date_of(day)}T00:30:00.000+01:00"}
                rows.append(FileRow(values, before, "late", kind, checks={"clicked_at": f"{before}T23:30:00Z"}))
            else:
                rows.append(FileRow(values, before, "late", kind))
        return rows

    def _main_file(self, day: int, visits: list[list[FileRow]], key: str | None = None) -> Written:
        """Write the file that carries the day's single faults."""
        rows = self._planted(day, _events(visits))
        if day % schedule.CYCLE == _CUT_DAY:
            rows.append(LAST_LINE_CUT.broken(self._sound(day, 300), self._visits.date_of(day)))
        return write_lines(self._out, SOURCE, key or self._key(day), rows)

    def _ordinary_day(self, day: int) -> Iterator[Written]:
        """One file, a few broken lines."""
        yield self._main_file(day, self._rows(day))

    def _app_day(self, day: int) -> Iterator[Written]:
        """The app's visits in a file of their own, with an event of the other one, re-sent later."""
        visits = self._rows(day)
        app, web = visits[::_APP_EVERY], [visit for place, visit in enumerate(visits) if place % _APP_EVERY]
        yield self._main_file(day, web)
        again = replace(web[-1][-1], expect="duplicate", kind="event_in_two_files")
        written = write_lines(self._out, SOURCE, self._key(day, "-app.jsonl"), [*_events(app), again])
        yield written
        resent, today = self._key(day, "-app.resent.jsonl"), self._visits.date_of(day)
        yield write_copy(self._out, written.version, resent, CORRECTIONS, today)

    def _compressed_day(self, day: int) -> Iterator[Written]:
        """A compressed file."""
        yield self._main_file(day, self._rows(day), self._key(day, ".jsonl.gz"))

    def _robot_day(self, day: int) -> Iterator[Written]:
        """A file that counts a robot for a visitor; its later version does not."""
        today, key = self._visits.date_of(day), self._key(day)
        visits = self._rows(day)
        robot = [_row(event) for event in self._robot(day)]
        first = write_lines(self._out, SOURCE, key, _events([*visits, robot]))
        yield until_corrected(first)
        corrected = write_lines(self._out, SOURCE, key, _events(visits), CORRECTIONS)
        gone = fault_of_file(corrected.version, "robot_withdrawn", "superseded", today)
        gone = replace(gone, rows=None, line={SOURCE.key: robot[0].values[SOURCE.key]})
        yield told_of_file(corrected.with_faults(gone), "file_corrected", "superseded", today, replaced=first)

    def _robot(self, day: int) -> Iterator[Event]:
        """Yield what a robot looks at, a page a second."""
        model = self._visits.visit(day, 0)[0]
        for look in range(_ROBOT_LOOKS):
            moment = model.clicked_at + timedelta(seconds=look)
            name = f"{self._visits.date_of(day):%Y%m%d}-robot"
            changed = {"event_id": f"{name}-{look:02}", "session_id": f"s{name}", "user_id": None}
            changed |= {"ts": text_of(moment), "user_agent": "Robot/1.0 (+https://robot.example)"}
            yield Event(model.values | changed, moment)

    def _beta_day(self, day: int) -> Iterator[Written]:
        """Some visits try something out, and their lines have a field more."""
        visits = self._rows(day)
        yield self._main_file(day, [visit for place, visit in enumerate(visits) if place % _BETA_EVERY])
        arm = {"experiment": {"name": "larger pictures", "arm": "B"}}
        beta = [replace(row, values=row.values | arm) for row in _events(visits[::_BETA_EVERY])]
        written = write_lines(self._out, SOURCE, self._key(day, "-beta.jsonl"), beta)
        yield told_of_file(written, "extra_field", "rescued", self._visits.date_of(day))

    def _array_day(self, day: int) -> Iterator[Written]:
        """A file that is one JSON array beside the ordinary one."""
        yield from self._ordinary_day(day)
        reason = ("json_array", "file:not_object")
        key, today = self._key(day, "-array.jsonl"), self._visits.date_of(day)
        yield write_refused(self._out, key, b'[{"event_id":"in an array"}]\n', today, reason)

    def _offline_day(self, day: int) -> Iterator[Written]:
        """What phones recorded that were out of reach all week arrives with the corrections."""
        yield from self._ordinary_day(day)
        visits = [
            self._visit(begun, number)
            for begun in range(day)
            for number in range(_OFFLINE, self._visits.visits_a_day, _OFFLINE_EVERY)
        ]
        late = write_lines(self._out, SOURCE, self._key(day, "-offline.jsonl"), _events(visits), CORRECTIONS)
        yield told_of_file(late, "late_file", "late", self._visits.date_of(day))


def _row(event: Event) -> FileRow:
    return FileRow(event.values, event.clicked_at.date())


def _over_midnight(visit: list[FileRow]) -> list[FileRow]:
    """Return a visit whose first event, if it is of another day than the last, is to be seen as late."""
    if visit[0].business_date == visit[-1].business_date:
        return visit
    return [replace(visit[0], expect="late", kind="visit_over_midnight"), *visit[1:]]


def _events(visits: list[list[FileRow]]) -> list[FileRow]:
    return [row for visit in visits for row in visit]
