"""Keys made from content: the same on every engine and in every order of arrival."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column

_NULL = "-"


def surrogate_key(*columns: str) -> Column:
    """Return the sha256, in hex, of some columns' values.

    Each value is preceded by its length, so that no text in it can look like the end of it; a null is not an empty
    text. Floats must not be among them: engines print them differently.
    """
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    texts = [F.col(name).cast("string") for name in columns]
    parts = [F.coalesce(F.concat(F.length(text).cast("string"), F.lit(":"), text), F.lit(_NULL)) for text in texts]
    return F.sha2(F.concat(*parts), 256)
