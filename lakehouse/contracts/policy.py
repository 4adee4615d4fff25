"""The policy of a table: what it asks of its rows beyond their own rules, and when it is held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

    Tables = Callable[[str], DataFrame]
    """Reads another table by name, as ``Engine.read`` does."""


@dataclass(frozen=True)
class Policy:
    """What a table asks of its rows and days beyond the contract's own rules.

    Attributes:
        key: columns that name a row; the audit holds a day in which a key occurs twice.
        event_time: the column whose date must be the business date, in silver.
        content_key: the key is one ``surrogate_key`` of all that a row says, so rows of one key are alike and any of
            them may stay. They are then told apart while streaming, at a tenth of the cost of sorting them.
        latest_by: of the rows with one key the one with the highest value here stays; the rest are duplicates.
        hold_above: the share of rejected rows above which a day is held.
        hold_from: the number of rejected rows below which no day is held for their share, so that one bad row does
            not hold a small day.
    """

    key: tuple[str, ...]
    event_time: str | None = None
    content_key: bool = False
    latest_by: tuple[str, ...] = ()
    hold_above: float = 0.05
    hold_from: int = 20
