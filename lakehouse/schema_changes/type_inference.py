"""Inferring the type of a column from values as text.

Belongs here: which type fits every value, as a contract would read it (``lakehouse.contracts.casting``). People review
what is inferred; nothing is typed by it.
"""

from __future__ import annotations

import datetime as dt

SAMPLES = 5


class TypeInference:
    """The type that fits every value of a column, inferred while the values pass by."""

    def __init__(self) -> None:
        """Begin with every type."""
        self.samples: list[str] = []
        self._seen = 0
        self._fitting = dict.fromkeys(_TYPES, True)
        self._digits = self._places = 0

    def observe(self, value: str) -> None:
        """Take in one more value; a blank one says nothing, as it is read as null."""
        if not value.strip():
            return
        self._seen += 1
        if len(self.samples) < SAMPLES and value not in self.samples:
            self.samples.append(value)
        for name, fits in self._fitting.items():
            if fits and not _TYPES[name](value):
                self._fitting[name] = False
        if self._fitting["decimal"]:
            whole, _, places = value.strip().lstrip("+-").partition(".")
            self._digits, self._places = max(self._digits, len(whole)), max(self._places, len(places))

    @property
    def type(self) -> str:
        """``integer``, ``decimal``, ``date``, ``timestamp``, ``boolean`` or ``text``."""
        if not self._seen:
            return "text"
        return next((name for name, fits in self._fitting.items() if fits and self._has_room(name)), "text")

    def _has_room(self, name: str) -> bool:
        return name != "decimal" or (self._digits <= _MOST_DIGITS and self._places <= _MOST_DIGITS)

    @property
    def spark_type(self) -> str:
        """The type as a contract declares it."""
        if self.type == "decimal":
            return f"T.DecimalType({max(18, self._digits + self._places)}, {self._places})"
        named = {"integer": "Long", "date": "Date", "timestamp": "Timestamp", "boolean": "Boolean", "text": "String"}
        return f"T.{named[self.type]}Type"


def _is_integer(value: str) -> bool:
    """Whether it is a whole number that a long holds; with leading zeros it is a code, not a number."""
    text = value.strip().removeprefix("-")
    return text.isdecimal() and text.isascii() and (text == "0" or text[0] != "0") and abs(int(text[:20])) < _LONG


def _is_decimal(value: str) -> bool:
    whole, _, places = value.strip().removeprefix("-").partition(".")
    return (whole + places).isdecimal() and value.isascii() and bool(whole) and (whole == "0" or whole[0] != "0")


def _is_date(value: str) -> bool:
    text = value.strip()
    try:
        return len(text) == len("2011-03-01") and dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_timestamp(value: str) -> bool:
    text = value.strip()
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    return text[4:5] == "-" and text[7:8] == "-"


_LONG = 1 << 63
_MOST_DIGITS = 19
_TYPES = {
    "boolean": lambda value: value.strip().lower() in {"true", "false"},
    "integer": _is_integer,
    "decimal": _is_decimal,
    "date": _is_date,
    "timestamp": _is_timestamp,
}
