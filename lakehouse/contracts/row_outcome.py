"""What is written beside a row while it is validated, and the outcomes it can have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

    Tables = Callable[[str], DataFrame]
    """Reads another table by name, as ``Engine.read`` does."""


OUTCOME, RULES, WARNED, REJECTED, DIGEST = "_outcome", "_rules", "_warned", "_rejected", "_digest"
KEY = ("_key", "_key_again")
"""Two hashes of a row's key: as many bits as no two keys share, and a quarter of the memory of the shortest."""
PUBLISHED, DUPLICATE, REFUSED = 0, 1, 2
SUPERSEDED_MARK = "file:superseded"
POINTERS = (
    "source_file",
    "source_version",
    "source_record",
    "landing_date",
    "batch_id",
    "ingestion_timestamp",
)
"""Bronze's columns that lead from a row back to the landing file."""
