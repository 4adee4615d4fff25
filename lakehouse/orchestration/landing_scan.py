"""The landing scan: new object versions in the landing zone become requests for bronze runs.

The core is pure: objects, a cursor and a calendar in; requests and the next cursor out. It remembers, per source, how
far it has looked and what it saw in the last seconds, since a store may list an object a little late and stamps times
by the second. A changed object is a new version; what is listed twice is requested once.

Of the older objects it remembers a fingerprint. Where that changes, the registry of ingested files says whether one was
overlooked: S3 dates a multipart upload by its beginning, which may lie hours before it is listed, and a file dated
tomorrow can be taken tomorrow only.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import dagster as dg

from lakehouse import clock
from lakehouse.delta.system_tables import FILES
from lakehouse.engines.factory import engine_of
from lakehouse.ingestion.staging import Source
from lakehouse.landing.zone import LandingObject, open_landing, route
from lakehouse.orchestration.landing_requests import LandingRequest
from lakehouse.settings import Settings

OVERLAP = dt.timedelta(seconds=10)
"""How long before the newest object seen an object may still turn up unseen."""
BRIDGED_DAYS = 14
"""The longest gap of never-materialized days that one run reaches across; a run costs far more than an empty day."""
REQUESTS_PER_TICK = 50
_BEGINNING = dt.datetime(1, 1, 1, tzinfo=dt.UTC)


@dataclass
class Cursor:
    """How far a source has been looked at.

    Attributes:
        watermark: time of the newest object seen.
        seen: etag and time of the objects within ``OVERLAP`` of it, by key; the etag is empty where none could be
            requested.
        settled: fingerprint of the older objects that could be.
    """

    watermark: dt.datetime = _BEGINNING
    seen: dict[str, tuple[str, dt.datetime]] = field(default_factory=dict)
    settled: str = ""

    def remembers(self, found: LandingObject) -> bool:
        """Whether an object is recent enough to be remembered with its own key."""
        return self.watermark == _BEGINNING or found.modified >= self.watermark - OVERLAP

    def is_new(self, found: LandingObject) -> bool:
        """Whether a recent object version has not been seen."""
        return self.remembers(found) and self.seen.get(found.key) != (found.etag, found.modified)

    def is_news(self, unroutable: LandingObject) -> bool:
        """Whether an object that cannot be requested has not been named before."""
        return self.remembers(unroutable) and self.seen.get(unroutable.key) != ("", unroutable.modified)

    def overlooked(
        self, routable: Iterable[LandingObject], registered: Callable[[], Collection[tuple[str, str]]]
    ) -> list[LandingObject]:
        """Return the older objects that were never taken; the registry is asked only where the older ones changed."""
        old = [
            found
            for found in routable
            if not self.remembers(found) and self.seen.get(found.key) != (found.etag, found.modified)
        ]
        if _fingerprint(old) == self.settled:
            return []
        known = registered()
        return [found for found in old if (found.key, found.etag) not in known]

    def advanced(
        self,
        routable: Iterable[LandingObject],
        requested: Iterable[LandingObject],
        unroutable: Iterable[LandingObject],
        *,
        complete: bool,
    ) -> Self:
        """Return the cursor after a look.

        Args:
            routable: every object listed that can be requested.
            requested: those of them that have been, by this look.
            unroutable: the objects that this look could not request.
            complete: no new object was left for the next look; otherwise the watermark stays where it is.
        """
        seen = {**self.seen, **{landed.key: (landed.etag, landed.modified) for landed in requested}}
        seen |= {landed.key: ("", landed.modified) for landed in unroutable}
        if not complete or not seen:
            return type(self)(self.watermark, seen, self.settled)
        after = type(self)(max([self.watermark, *(when for _, when in seen.values())]))
        after.seen = {key: about for key, about in seen.items() if about[1] >= after.watermark - OVERLAP}
        after.settled = _fingerprint(landed for landed in routable if not after.remembers(landed))
        return after


@dataclass(frozen=True)
class LandingScan:
    """What a look at the landing zone asks for.

    Attributes:
        unroutable: keys that name no known source or no date of the calendar; they are left where they are.
    """

    requests: tuple[LandingRequest, ...]
    unroutable: tuple[str, ...]
    cursors: dict[str, Cursor]


def scan_objects(
    objects: Mapping[str, Iterable[LandingObject]],
    cursors: Mapping[str, Cursor],
    *,
    calendar: tuple[dt.date, dt.date],
    materialized: Mapping[str, Collection[dt.date]],
    registered: Callable[[str], Collection[tuple[str, str]]],
) -> LandingScan:
    """Decide what to request.

    Args:
        objects: what is listed, by source.
        cursors: what has been seen, by source.
        calendar: first and last landing date.
        materialized: the days that bronze has been materialized for, by source; a range never reaches across one.
        registered: looks up which key and etag of a source have been taken; seldom asked.
    """
    requests: list[LandingRequest] = []
    unroutable: list[str] = []
    after: dict[str, Cursor] = {}
    for source, listed in objects.items():
        cursor = cursors.get(source, Cursor())
        days, strange = _routed(listed, calendar)
        new = [found for found in days if cursor.is_new(found)]
        new += cursor.overlooked(days, functools.partial(registered, source))
        by_day: dict[dt.date, list[LandingObject]] = defaultdict(list)
        for found in new:
            by_day[days[found]].append(found)
        spans = list(_spans(sorted(by_day), set(materialized.get(source, ()))))
        room = REQUESTS_PER_TICK - len(requests)
        requested: list[LandingObject] = []
        for first, last in spans[:room]:
            versions = [landed for day, found in by_day.items() if first <= day <= last for landed in found]
            requests.append(LandingRequest(source, first, last, _run_key(source, first, last, versions)))
            requested += versions
        news = [found for found in strange if cursor.is_news(found)]
        unroutable += [found.key for found in news]
        after[source] = cursor.advanced(days, requested, news, complete=len(spans) <= room)
    return LandingScan(tuple(requests), tuple(unroutable), after)


def _routed(
    listed: Iterable[LandingObject], calendar: tuple[dt.date, dt.date]
) -> tuple[dict[LandingObject, dt.date], list[LandingObject]]:
    """Return the objects that can be requested, with their landing dates, and those that cannot (or not yet)."""
    days: dict[LandingObject, dt.date] = {}
    strange = []
    for found in sorted(listed):
        where = route(found.key)
        if where is not None and calendar[0] <= where.landing_date <= calendar[1]:
            days[found] = where.landing_date
        else:
            strange.append(found)
    return days, strange


def _fingerprint(objects: Iterable[LandingObject]) -> str:
    """Return a short text that differs for different object versions; empty for none."""
    named = sorted(f"{landed.key}@{landed.etag}" for landed in objects)
    return hashlib.sha256("\n".join(named).encode()).hexdigest()[:16] if named else ""


def _spans(days: Sequence[dt.date], materialized: Collection[dt.date]) -> Iterator[tuple[dt.date, dt.date]]:
    """Group days into ranges, across short gaps of days that were never materialized."""
    first: dt.date | None = None
    last: dt.date | None = None
    for day in days:
        if first is None or last is None:
            first = last = day
            continue
        gap = [last + dt.timedelta(days=n) for n in range(1, (day - last).days)]
        if len(gap) <= BRIDGED_DAYS and not any(between in materialized for between in gap):
            last = day
        else:
            yield first, last
            first = last = day
    if first is not None and last is not None:
        yield first, last


def _run_key(source: str, first: dt.date, last: dt.date, versions: Iterable[LandingObject]) -> str:
    # With the time: on S3 a file that is put back as it once was has the etag it had then.
    named = "|".join(sorted(f"{landed.key}@{landed.etag}@{landed.modified.isoformat()}" for landed in versions))
    return f"{source}:{first}:{last}:{hashlib.sha256(named.encode()).hexdigest()[:16]}"


def load_cursors(text: str | None) -> dict[str, Cursor]:
    """Read cursors as ``dump_cursors`` wrote them."""
    return {
        source: Cursor(
            dt.datetime.fromisoformat(saved["watermark"]),
            {key: (etag, dt.datetime.fromisoformat(when)) for key, (etag, when) in saved["seen"].items()},
            saved.get("settled", ""),
        )
        for source, saved in json.loads(text or "{}").items()
    }


def dump_cursors(cursors: Mapping[str, Cursor]) -> str:
    """Write cursors as JSON."""
    return json.dumps(
        {
            source: {
                "watermark": cursor.watermark.isoformat(),
                "seen": {key: [etag, when.isoformat()] for key, (etag, when) in sorted(cursor.seen.items())},
                "settled": cursor.settled,
            }
            for source, cursor in cursors.items()
        }
    )


def scan(
    settings: Settings, sources: Sequence[Source], cursor: str | None, instance: dg.DagsterInstance
) -> LandingScan:
    """Look at the landing zone once, as the sensor and ``lakehouse run`` do."""
    landing = open_landing(settings.landing)
    today = clock.today()
    return scan_objects(
        {source.name: landing.objects(f"{source.name}/") for source in sources},
        load_cursors(cursor),
        calendar=(settings.start_date, today),
        materialized={
            source.name: {
                dt.date.fromisoformat(day)
                for day in instance.get_materialized_partitions(dg.AssetKey(["bronze", source.name]))
            }
            for source in sources
        },
        registered=functools.partial(_registered, settings),
    )


def _registered(settings: Settings, source: str) -> set[tuple[str, str]]:
    """Return key and etag of every file version of a source that was ever taken."""
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    engine = engine_of(settings)
    if engine.version(FILES.name) is None:
        return set()
    taken = engine.read(FILES.name).where(F.col("data_source") == source).select("source_file", "etag")
    return {(row["source_file"], row["etag"]) for row in engine.collect(taken).to_pylist()}
