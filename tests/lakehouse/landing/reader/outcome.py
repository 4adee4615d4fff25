"""What a test asserts about a file that was read."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

from lakehouse.landing.reader import CsvFormat, JsonLinesFormat, LandingFormat, read

COLUMNS = ("id", "name", "amount")
BLOCK_SIZES = (7, 64, 4096, 2 << 20, 8 << 20)


@dataclass
class Outcome:
    """The good rows ``(record, *values)``, with rescued data as a last value if any; rejects ``(record, kind)``."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    rejects: list[tuple[int, str]] = field(default_factory=list)
    refused: str | None = None


@dataclass(frozen=True)
class Case:
    """One file and its one right answer; a refused file has no rows and no rejects."""

    name: str
    content: bytes
    format: LandingFormat
    rows: tuple[tuple[Any, ...], ...]
    rejects: tuple[tuple[int, str], ...]
    refused: str | None


def csv(name: str, content: bytes, *, rows=(), rejects=(), refused=None, **options) -> Case:
    return Case(name, content, CsvFormat(COLUMNS, **options), tuple(rows), tuple(rejects), refused)


def jsonl(name: str, content: bytes, *, rows=(), rejects=(), refused=None, **options) -> Case:
    return Case(name, content, JsonLinesFormat(COLUMNS, **options), tuple(rows), tuple(rejects), refused)


def records(content: bytes, declared: LandingFormat, block_bytes: int = 2 << 20) -> list[dict[str, Any]]:
    """Every row read, checked to be of the format's schema and valid Arrow, in the order of the file."""
    rows = []
    for batch in read(io.BytesIO(content), declared, block_bytes=block_bytes):
        assert batch.schema == declared.schema
        batch.validate(full=True)
        rows += batch.to_pylist()
    return sorted(rows, key=lambda row: row["source_record"] or 0)


def outcome_of(content: bytes, declared: LandingFormat, block_bytes: int = 2 << 20) -> Outcome:
    outcome = Outcome()
    for row in records(content, declared, block_bytes):
        reason = row["reject_reason"]
        if reason is None:
            values = [row[name] for name in declared.schema.names[:-5]]
            rescued = [] if row["rescued_data"] is None else [exact_json(row["rescued_data"])]
            outcome.rows.append((row["source_record"], *values, *rescued))
        elif reason.startswith("file:"):
            assert outcome.refused is None, "a refused file has exactly one row that says so"
            assert row["source_record"] is None
            outcome.refused = reason.split(":")[1]
        else:
            outcome.rejects.append((row["source_record"], reason.split(":")[0]))
    return outcome


def exact_json(text: str) -> Any:
    """JSON with numbers as they are spelled."""
    return json.loads(text, parse_float=str, parse_int=str)


def assert_case(case: Case, block_bytes: int) -> None:
    outcome = outcome_of(case.content, case.format, block_bytes)
    assert outcome.refused == case.refused
    if case.refused is None:
        assert outcome.rows == list(case.rows)
        assert outcome.rejects == list(case.rejects)
