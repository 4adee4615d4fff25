"""The columns a file turned out to have, whatever was declared.

Belongs here: what each format's reader notes of a file's own columns while it reads. What differs from the declaration,
and whether that matters, is for ``lakehouse.ingestion.schema_drift``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_NAMES: Final = 1000
"""Names kept of a file; one that has more uses its keys as values, and each would be called a column."""


@dataclass
class FileColumns:
    """The columns of one file, noted while it is read.

    Attributes:
        types: by the column's name in the file, the Arrow type the file gives it; None where its format has no types.
        is_read: whether the file came as far as saying which columns it has.
    """

    types: dict[str, pa.DataType | None] = field(default_factory=dict)
    is_read: bool = False

    def note(self, names: Iterable[str]) -> None:
        """Take in names of columns without types."""
        self.is_read = True
        for name in names:
            if name not in self.types and len(self.types) < _MOST_NAMES:
                self.types[name] = None
