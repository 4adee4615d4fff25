"""The customers source: a change feed of JSON lines, and what is broken in it.

Its columns, lines and files belong here. What all change feeds have in common is in `shop/feed.py`, who the customers
are in `shop/catalogue.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path

from shop import schedule
from shop.answer_key import FileVersion
from shop.catalogue import CUSTOMER_COUNT, customer
from shop.feed import Feed, FeedPlant, FeedRow, Values, account
from shop.landing import FIRST_WAVE, new_file
from shop.written import Written, write_copy, write_refused

SOURCE = "customers"

_CHANGES_A_DAY = 60
_WEB_ROWS = 20  # changes of the split day that come in a file of their own
_COMPRESSED_DAY, _SPLIT_DAY, _ARRAY_DAY, _CUT_DAY = 1, 2, 4, 6


def _unfinished(line: bytes) -> bytes:
    """Leave the closing brace out."""
    return line[:-1]


def _with_key_twice(line: bytes) -> bytes:
    """Give the name twice."""
    return b'{"name":"Somebody Else",' + line[1:]


def _without_braces(line: bytes) -> bytes:  # noqa: ARG001 - damages all take the line
    """Return legal JSON that is not an object."""
    return b'"a customer"'


def _with_bad_byte(line: bytes) -> bytes:
    """Put a byte into the name that UTF-8 does not know."""
    return line.replace(b'"name":"', b'"name":"\xff', 1)


def _with_nul(line: bytes) -> bytes:
    """Put an escaped NUL into the name."""
    return line.replace(b'"name":"', b'"name":"\\u0000', 1)


def _half(line: bytes) -> bytes:
    """Keep the first half of the line."""
    return line[: len(line) // 2]


_PLANTS = (
    FeedPlant("email_broken", ("email:str_matches",), {"email": "no at sign"}),
    FeedPlant("customer_id_missing", ("customer_id:not_null",), {"customer_id": None}),
    FeedPlant("customer_id_not_an_integer", ("customer_id:readable",), {"customer_id": "C-17"}),
    FeedPlant("updated_at_unreadable", ("updated_at:readable",), {"updated_at": "last Tuesday"}),
    FeedPlant("updated_at_missing", ("updated_at:not_null",), {"updated_at": None}),
    FeedPlant("updated_at_in_the_future", ("updated_at:on_business_date",), {"updated_at": "2199-01-01T08:00:00Z"}),
    FeedPlant("segment_unknown", ("segment:isin",), {"segment": "aliens"}),
    FeedPlant("json_unfinished", ("record:json",), damage=_unfinished),
    FeedPlant("json_key_twice", ("record:duplicate_key",), damage=_with_key_twice),
    FeedPlant("json_not_an_object", ("record:not_object",), damage=_without_braces),
    FeedPlant("json_bad_utf8_byte", ("record:encoding",), damage=_with_bad_byte),
    FeedPlant("json_nul", ("record:nul",), damage=_with_nul),
)
_LAST_LINE_CUT = FeedPlant("json_last_line_cut", ("record:json",), damage=_half)


def customer_feed(seed: int, start: date) -> Feed:
    """Return the customers' feed of the world of that seed."""

    def make(index: int, version: int, moment: datetime) -> Values:
        values = asdict(customer(seed, index, version))
        deleted = values.pop("is_deleted")
        return values | {"updated_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "is_deleted": deleted}

    return Feed(SOURCE, "customer_id", seed, start, CUSTOMER_COUNT, _CHANGES_A_DAY, make, _PLANTS)


def _line(row: FeedRow) -> bytes:
    """Return a change as a line without its end."""
    line = json.dumps(row.values, ensure_ascii=False, separators=(",", ":")).encode()
    return row.damage(line) if row.damage else line


def _write(out: Path, feed: Feed, key: str, rows: list[FeedRow]) -> Written:
    """Write one file; a last line that is cut has no end."""
    path = out / key
    content = b"\n".join(map(_line, rows)) + (b"" if rows[-1].kind == _LAST_LINE_CUT.kind else b"\n")
    with new_file(path, compress=path.suffix == ".gz") as (sink, receipt):
        sink.write(content)
    tally, faults = account(feed, rows, key)
    version = FileVersion(key, SOURCE, FIRST_WAVE, receipt.sha256, receipt.size_bytes, len(rows), tally)
    return Written(version, tuple(faults))


def write_customers(out: Path, feed: Feed, day: int) -> Iterator[Written]:
    """Write the customers files of one day."""
    today = feed.date_of(day)
    rows, key = feed.rows(day), f"{SOURCE}/{today}"
    if day == _SPLIT_DAY:
        web = [row for row in rows if row.expect is None][-_WEB_ROWS:]
        rows = [row for row in rows if not any(row is other for other in web)]
        written = _write(out, feed, f"{key}-web.jsonl", web)
        yield written
        yield write_copy(out, written.version, f"{key}-web.resent.jsonl", FIRST_WAVE, today)
    if day == _ARRAY_DAY:
        content = b'[{"customer_id":1,"name":"In an array"}]\n'
        yield write_refused(out, f"{key}-array.jsonl", content, today, ("json_array", "file:not_object"))
    if day % schedule.CYCLE == _CUT_DAY:
        last = rows[0]
        rows.append(
            FeedRow(last.values, today, "rejected", _LAST_LINE_CUT.kind, _LAST_LINE_CUT.rules, _LAST_LINE_CUT.damage)
        )
    yield _write(out, feed, f"{key}.jsonl.gz" if day == _COMPRESSED_DAY else f"{key}.jsonl", rows)
