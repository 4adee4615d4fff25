"""Values of Parquet columns: casts that lose nothing, and undeclared columns as JSON.

Belongs here: what a value may become. Which columns there are is for ``parquet_reader``.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any, Final

import pyarrow as pa

from lakehouse.landing.reader.arrays import texts
from lakehouse.landing.reader.faults import FileRefused

_TAKEN_FROM: Final = {
    "integer": {"integer", "decimal"},
    "decimal": {"decimal", "integer"},
    "timestamp": {"timestamp", "date"},
    "date": {"date", "timestamp"},
    "boolean": {"boolean"},
    "text": {"text", "integer", "decimal", "timestamp", "date", "boolean"},
}
"""From which kinds of types a declared kind may be cast. Text is never parsed (who knows how it was meant), floats are
never taken (money in floats is a fault of the source), and a number is never a time (of which unit?)."""

_EVERY_INTEGER: Final = pa.decimal128(20, 0)


def cast_lossless(column: pa.Array, expected: pa.DataType, name: str) -> pa.Array:
    """Cast a declared column to its declared type, if each value survives it.

    Timestamps without a zone are taken as UTC, dates as midnight.

    Raises:
        FileRefused: the type differs, and the values do not survive the cast.
    """
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if column.type == expected:
        return column
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), expected)
    refusal = f"column {name} is {column.type}, expected {expected}"
    taken, wanted = _kind(column.type), _kind(expected)
    if taken not in _TAKEN_FROM[wanted]:
        raise FileRefused("schema", refusal)
    try:
        # Arrow asks a decimal to have room for the widest integer of the type: let the values themselves decide.
        source = column.cast(_EVERY_INTEGER) if (taken, wanted) == ("integer", "decimal") else column
        cast = source.cast(expected)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise FileRefused("schema", f"{refusal}: {error}") from error
    if wanted == "date" and not cast.cast(column.type).equals(column):  # the one cast that drops something silently
        raise FileRefused("schema", f"{refusal}: it has times of day")
    return cast


def has_room(declared: pa.DataType, given: pa.DataType) -> bool:
    """Whether a type is the declared one or a narrower one of its kind; of decimals, one with no more places.

    How many digits a decimal has is mostly a default of whoever wrote it; a value that has too many is refused.
    """
    if isinstance(given, pa.DictionaryType):
        return has_room(declared, given.value_type)
    if pa.types.is_null(given):
        return True
    if pa.types.is_integer(given) and pa.types.is_integer(declared):
        return bool(given.bit_width + pa.types.is_unsigned_integer(given) <= declared.bit_width)
    if pa.types.is_decimal(given) and pa.types.is_decimal(declared):
        return bool(given.scale <= declared.scale)
    return _kind(given) == _kind(declared)


def type_text(of: pa.DataType) -> str | None:
    """Return a type as a format declares it, where one can; else Arrow's name for it. None: it holds only nulls."""
    if isinstance(of, pa.DictionaryType):
        return type_text(of.value_type)
    if pa.types.is_null(of):
        return None
    if pa.types.is_decimal(of):
        return f"decimal({of.precision},{of.scale})"
    if _is_text(of):
        return "string"
    named = {"timestamp": "timestamp", "date": "date", "boolean": "boolean"}
    return named.get(_kind(of), str(of))


def _kind(of: pa.DataType) -> str:
    kinds = {
        "integer": pa.types.is_integer,
        "decimal": pa.types.is_decimal,
        "timestamp": pa.types.is_timestamp,
        "date": pa.types.is_date,
        "boolean": pa.types.is_boolean,
        "text": _is_text,
    }
    return next((kind for kind, belongs in kinds.items() if belongs(of)), "other")


def _is_text(of: pa.DataType) -> bool:
    """Whether it is text, or bytes that may be: older writers do not mark text as such, and casting checks it."""
    types = pa.types
    return bool(types.is_string(of) or types.is_large_string(of) or types.is_binary(of) or types.is_large_binary(of))


def rescued_json(undeclared: pa.RecordBatch) -> pa.Array:
    """Undeclared columns of each row as a JSON object.

    Decimals, dates, times and timestamps are written as text, exactly; bytes as base64; NaN and infinities as text.
    """
    columns = [_with_textual_leaves(column).to_pylist() for column in undeclared.columns]
    names = undeclared.schema.names
    rows = zip(*columns, strict=True)
    return texts([_json(dict(zip(names, row, strict=True))) for row in rows])


def _with_textual_leaves(column: pa.Array) -> pa.Array:
    """The column with everything JSON has no exact form for turned into text, inside lists and structs too."""
    try:
        return column.cast(_textual(column.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # an exotic type: written as Python would write it
        return column


def _textual(of: pa.DataType) -> pa.DataType:
    types = pa.types
    if types.is_decimal(of) or types.is_temporal(of):
        return pa.string()
    if types.is_dictionary(of):
        return _textual(of.value_type)
    if types.is_list(of) or types.is_large_list(of):
        return pa.large_list(_textual(of.value_type))
    if types.is_struct(of):
        return pa.struct([field.with_type(_textual(field.type)) for field in of])
    return pa.map_(_textual(of.key_type), _textual(of.item_type)) if types.is_map(of) else of


def _json(values: dict[str, Any]) -> str:
    try:
        return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_as_text)
    except ValueError:  # a NaN or an infinity
        return json.dumps(_finite(values), ensure_ascii=False, separators=(",", ":"), default=_as_text)


def _as_text(value: Any) -> str:
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else str(value)


def _finite(value: Any) -> Any:
    """The value with each float that JSON cannot write as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(member) for member in value]
    return value
