"""Rescued data: what a record has beyond its declared columns, as the text of one JSON object.

Belongs here: taking that text apart and putting it together, so that every value keeps its very text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

decode_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""Takes an object's text apart into the source text of each value."""


def rescued_text(undeclared: Mapping[str, msgspec.Raw]) -> str | None:
    """Undeclared keys and their values, exactly as received, as a JSON object; None if there are none."""
    if not undeclared:
        return None
    members = (f"{json.dumps(key, ensure_ascii=False)}:{bytes(value).decode()}" for key, value in undeclared.items())
    return "{" + ",".join(members) + "}"


def value_text(raw: msgspec.Raw) -> str | None:
    """A value as text: what a string says, and the source text of anything else; None for null."""
    source = bytes(raw)
    if source == b"null":
        return None
    return str(msgspec.json.decode(source, type=str)) if source.startswith(b'"') else source.decode()
