"""The customers source: a change feed of JSON lines, and what is broken in it.

Its columns, lines and files belong here. What all change feeds have in common is in `feed.py`, who the customers
are in `catalogue.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from pathlib import Path

from examples.shop import schedule
from examples.shop.catalogue import CUSTOMER_COUNT, FIRST_CUSTOMER_ID, UNHEARD_OF_CUSTOMER, customer
from examples.shop.feed import BELATED_DAY, Feed, text_of
from examples.shop.file_plan import Written, write_copy, write_refused
from examples.shop.json_lines import LAST_LINE_CUT, damages, write_lines
from examples.shop.landing import CORRECTIONS, FIRST_WAVE
from examples.shop.rows import FileRow, RowPlant, Values

SOURCE = "customers"

_CHANGES_A_DAY = 60
_WEB_ROWS = 20  # changes of the split day that come in a file of their own
_FIRST_HEARD_OF_DAY, _FIRST_HEARD_OF = 5, time(8, 30)
_COMPRESSED_DAY, _SPLIT_DAY, _ARRAY_DAY, _CUT_DAY = 1, 2, 4, 6


_PLANTS = (
    RowPlant("email_broken", ("email:str_matches",), {"email": "no at sign"}),
    RowPlant("customer_id_missing", ("customer_id:not_null",), {"customer_id": None}),
    RowPlant("customer_id_not_an_integer", ("customer_id:readable",), {"customer_id": "C-17"}),
    RowPlant("updated_at_unreadable", ("updated_at:readable",), {"updated_at": "last Tuesday"}),
    RowPlant("updated_at_missing", ("updated_at:not_null",), {"updated_at": None}),
    RowPlant("updated_at_in_the_future", ("updated_at:on_business_date",), {"updated_at": "2199-01-01T08:00:00Z"}),
    RowPlant("segment_unknown", ("segment:isin",), {"segment": "aliens"}),
    *damages("name"),
)


def customer_feed(seed: int, start: date) -> Feed:
    """Return the customers' feed of the world of that seed."""

    def make(index: int, version: int, moment: datetime) -> Values:
        values = asdict(customer(seed, index, version))
        deleted = values.pop("is_deleted")
        return values | {"updated_at": text_of(moment), "is_deleted": deleted}

    return Feed(
        SOURCE, "customer_id", "phone", seed, start, CUSTOMER_COUNT, _CHANGES_A_DAY, make, _PLANTS, deletable=True
    )


def _first_heard_of(feed: Feed) -> FileRow:
    """Return the first record of the customer to whom the tills have been selling all along."""
    moment = datetime.combine(feed.date_of(_FIRST_HEARD_OF_DAY), _FIRST_HEARD_OF, UTC)
    values = feed.make(int(UNHEARD_OF_CUSTOMER) - FIRST_CUSTOMER_ID, 0, moment)
    return FileRow(values, moment.date(), "late", "customer_after_the_first_sale")


def write_customers(out: Path, feed: Feed, day: int) -> Iterator[Written]:
    """Write the customers files of one day, those of later waves included."""
    today = feed.date_of(day)
    rows, key = feed.rows(day), f"{SOURCE}/{today}"
    if day == _SPLIT_DAY:
        web = [row for row in rows if row.expect is None][-_WEB_ROWS:]
        rows = [row for row in rows if not any(row is other for other in web)]
        written = write_lines(out, feed.rows_source, f"{key}-web.jsonl", web)
        yield written
        yield write_copy(out, written.version, f"{key}-web.resent.jsonl", FIRST_WAVE, today)
    if day == _ARRAY_DAY:
        content = b'[{"customer_id":1,"name":"In an array"}]\n'
        yield write_refused(out, f"{key}-array.jsonl", content, today, ("json_array", "file:not_object"))
    if day == BELATED_DAY:
        belated = [*feed.belated(), _first_heard_of(feed)]
        yield write_lines(out, feed.rows_source, f"{key}-late.jsonl", belated, CORRECTIONS)
    if day % schedule.CYCLE == _CUT_DAY:
        rows.append(LAST_LINE_CUT.broken(rows[0].values, today))
    yield write_lines(out, feed.rows_source, f"{key}.jsonl.gz" if day == _COMPRESSED_DAY else f"{key}.jsonl", rows)
