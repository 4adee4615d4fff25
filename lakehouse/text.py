"""Values as text: exact for JSON, plain for tables and CSV."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from decimal import Decimal
from typing import Any

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def cleaned(message: str) -> str:
    """Return an error's message without the colours that libraries put into theirs."""
    return _COLOUR.sub("", message).strip()


def plain(value: Any) -> Any:
    """Return a value as JSON knows it."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    return text_of_time(value) if isinstance(value, dt.datetime) else str(value)


def text_of_time(value: dt.datetime) -> str:
    """Return a time in ISO 8601; one with a zone in UTC."""
    return value.isoformat() if value.tzinfo is None else value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def cell(value: Any) -> str:
    """Return a value as it stands in a table or in CSV."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value, "f")
    shown = plain(value)
    return shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)
