"""How a CSV file of the shop is laid out: its header, its line ends, its mark.

The shape of files belongs here; what stands in their lines does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """How a file writes its lines.

    Attributes:
        header: The header's names, and for each the column its cells come from, or the text of all its cells.
        newline: The line end.
        byte_order_mark: Whether the file starts with the mark of UTF-8.
    """

    header: tuple[tuple[str, str], ...]
    newline: str = "\n"
    byte_order_mark: bool = False

    @property
    def first_line(self) -> bytes:
        """The header as it stands in the file."""
        mark = "\ufeff" if self.byte_order_mark else ""
        return (mark + ",".join(name for name, _ in self.header) + self.newline).encode()

    def line(self, cells: Mapping[str, str]) -> str:
        """Return a line without its end."""
        return ",".join(cells.get(column, column) for _, column in self.header)


def standard(columns: tuple[str, ...]) -> Layout:
    """Return the layout of a file that has just these columns, in this order."""
    return Layout(tuple((name, name) for name in columns))


def foreign(columns: tuple[str, ...]) -> Layout:
    """Return a layout that says the same: another order, case and line end, and a byte order mark."""
    return Layout(tuple((name.upper(), name) for name in reversed(columns)), newline="\r\n", byte_order_mark=True)
