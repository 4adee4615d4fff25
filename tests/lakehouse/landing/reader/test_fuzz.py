"""Random files against oracles: the block size never changes an answer; csv and json of the standard library agree.

A failure names the seed and the file: run the test again with that seed alone.
"""

from __future__ import annotations

import csv
import io
import json
import random
from typing import Any

import pytest

from lakehouse.landing.reader import CsvFormat, JsonLinesFormat
from tests.lakehouse.landing.reader.outcome import exact_json, records

COLUMNS = ("a", "b", "c")
LEGAL_PIECES = [b"a", b"1", b" ", b",", b",", b'"', b'"', b"\n", b"\r\n", b'""', b"\n", b',"x",', b"\\"]
HOSTILE_PIECES = [*LEGAL_PIECES, b"\r", b"\0", b"\xff", b"\xc3\xa9", b"\x80"]
FIELDS = [b"x", b"", b'"q,""\n"', b'"y"', b'""', b'5"']
CSV_FORMATS = {
    "default": CsvFormat(COLUMNS),
    "bare quotes": CsvFormat(COLUMNS, bare_quotes=True),
    "one line each": CsvFormat(COLUMNS, multiline=False),
    "newline required": CsvFormat(COLUMNS, require_final_newline=True),
    "Latin-1": CsvFormat(COLUMNS, encoding="latin-1"),
    "Windows-1252": CsvFormat(COLUMNS, encoding="cp1252", bare_quotes=True),
}
KEYS = ["a", "b", "c", "z", "\u00e9"]

few_seeds = pytest.mark.parametrize("seed", range(4))
many_seeds = pytest.mark.parametrize("seed", range(100, 120))


def judged(content: bytes, declared, block_bytes: int) -> list[dict[str, Any]]:
    """Every row of a file, in an order that does not depend on batches."""
    return sorted(records(content, declared, block_bytes), key=lambda row: (row["source_record"] or 0, repr(row)))


def random_csv(chance: random.Random) -> bytes:
    """A file of well-formed rows mostly, or of pieces in any order."""
    header = chance.choice([b"a,b,c\n", b"a,b,c\n", b"a,b,c\r\n", b"c,x,a,b\n", b"a\n", b"a,b,c\r"])
    if chance.random() < 0.3:
        lines = (b",".join(chance.choice(FIELDS) for _ in range(3)) + b"\n" for _ in range(chance.randrange(1, 8)))
        return header + b"".join(lines)
    pieces = chance.choice([LEGAL_PIECES, HOSTILE_PIECES])
    return header + b"".join(chance.choice(pieces) for _ in range(chance.randrange(1, 60)))


def assert_no_block_size_matters(seed: int, files: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable file, no secret
    for _ in range(files):
        content = random_csv(chance)
        name = chance.choice(list(CSV_FORMATS))
        whole = judged(content, CSV_FORMATS[name], 2 << 20)
        for block_bytes in (1, 3, 8, 17):
            assert judged(content, CSV_FORMATS[name], block_bytes) == whole, f"seed {seed}, {name}: {content!r}"


def assert_the_csv_module_agrees(seed: int, files: int) -> None:
    """Where the strict csv module reads a file at all, it reads the same rows and finds the same wrong widths."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable file, no secret
    for _ in range(files):
        content = b"a,b,c\n" + random_csv(chance).partition(b"\n")[2]
        oracle = rows_of_the_csv_module(content)
        if oracle is None:
            continue
        rows = judged(content, CSV_FORMATS["bare quotes"], 2 << 20)
        good = [[row[column] or "" for column in COLUMNS] for row in rows if row["reject_reason"] is None]
        rejects = [row["reject_reason"] for row in rows if row["reject_reason"] is not None]
        assert good == [row for row in oracle if len(row) == 3], f"seed {seed}: {content!r}"
        assert len(rejects) == sum(len(row) not in (0, 3) for row in oracle), f"seed {seed}: {content!r}"


def rows_of_the_csv_module(content: bytes) -> list[list[str]] | None:
    """Its rows after the header; None for a file it cannot judge: it has other ideas of lone CRs and of NULs."""
    if b"\r" in content.replace(b"\r\n", b"") or b"\0" in content or not content.isascii():
        return None
    try:
        return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))[1:]
    except csv.Error:
        return None


def random_value(chance: random.Random, depth: int = 0) -> str:
    kind = chance.random()
    if kind < 0.3:
        text = "".join(chance.choice('ab "\\\n\té€🎉:,{}') for _ in range(chance.randrange(6)))
        return json.dumps(text, ensure_ascii=chance.random() < 0.5)
    if kind < 0.6:
        return chance.choice(["1.10", "-0", "12345678901234567890123", "1e5", "0.0", "true", "false", "null"])
    if depth < 2:
        return chance.choice(["[%s]", '{"a": %s}', '{"b":%s,"c" :1}']) % random_value(chance, depth + 1)
    return '""'


def random_line(chance: random.Random) -> str:
    keys = chance.choices(KEYS, k=4) if chance.random() < 0.2 else chance.sample(KEYS, chance.randrange(5))
    colon = chance.choice([":", ": ", " : ", "\t:"])
    members = (f"{json.dumps(key, ensure_ascii=chance.random() < 0.5)}{colon}{random_value(chance)}" for key in keys)
    line = "{" + chance.choice([",", ", "]).join(members) + "}"
    if chance.random() < 0.1:
        cut = chance.randrange(len(line))
        line = line[:cut] + line[cut + 1 :]
    return line


def assert_the_json_module_agrees(seed: int, files: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable file, no secret
    for _ in range(files):
        lines = [random_line(chance) for _ in range(chance.randrange(1, 6))]
        content = "\n".join(lines).encode()
        if content.lstrip()[:1] == b"[":
            continue
        declared = JsonLinesFormat(COLUMNS)
        rows = judged(content, declared, 2 << 20)
        by_number = {row["source_record"]: row for row in rows}
        for number, line in enumerate(lines, 1):
            expected = by_json(line)
            assert by_reader(by_number.get(number), expected) == expected, f"seed {seed}: {line!r} in {content!r}"
        for block_bytes in (1, 5, 40):
            assert judged(content, declared, block_bytes) == rows, f"seed {seed}: {content!r}"


def by_json(line: str) -> dict[str, Any] | str | None:
    """What the json module makes of a line: values with numbers as spelled, a word for a reject, None if blank."""
    if not line.strip():
        return None
    repeated = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        json.dumps(pairs, ensure_ascii=False).encode()  # raises on lone surrogates
        repeated.append(len(dict(pairs)) < len(pairs))
        return dict(pairs)

    try:
        found = json.loads(line, parse_int=str, parse_float=str, object_pairs_hook=members)
    except ValueError:
        return "rejected"
    if not isinstance(found, dict) or repeated[-1]:  # the outermost object is noted last
        return "rejected"
    words = {column: str(found[column]).lower() for column in COLUMNS if isinstance(found.get(column), bool)}
    return {key: value for key, value in (found | words).items() if value is not None or key not in COLUMNS}


def by_reader(row: dict[str, Any] | None, expected: dict[str, Any] | str | None) -> dict[str, Any] | str | None:
    """The same of what was read; where a nested value is expected, its text is parsed."""
    if row is None:
        return None
    if row["reject_reason"] is not None or not isinstance(expected, dict):
        return "rejected" if row["reject_reason"] is not None else "read"
    declared = {column: row[column] for column in COLUMNS if row[column] is not None}
    nested = {key: exact_json(declared[key]) for key in declared if isinstance(expected.get(key), dict | list)}
    return declared | nested | exact_json(row["rescued_data"] or "{}")


@few_seeds
def test_no_block_size_changes_the_answer(seed: int):
    assert_no_block_size_matters(seed, 60)


@few_seeds
def test_the_csv_module_agrees(seed: int):
    assert_the_csv_module_agrees(seed, 200)


@few_seeds
def test_the_json_module_agrees(seed: int):
    assert_the_json_module_agrees(seed, 100)


@pytest.mark.long
@many_seeds
def test_no_block_size_changes_the_answer_of_many_files(seed: int):
    assert_no_block_size_matters(seed, 100)


@pytest.mark.long
@many_seeds
def test_the_csv_module_agrees_on_many_files(seed: int):
    assert_the_csv_module_agrees(seed, 400)


@pytest.mark.long
@many_seeds
def test_the_json_module_agrees_on_many_files(seed: int):
    assert_the_json_module_agrees(seed, 150)
