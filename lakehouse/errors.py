"""The errors of the library: each says what cannot be done and, where there is one, the way out.

Belongs here: the family's head and what several rooms raise. An error of one room is declared in that room.
"""

from __future__ import annotations

from typing import ClassVar


class LakehouseError(Exception):
    """Something cannot be done as requested.

    Attributes:
        code: what kind of error it is, for programs.
        hint: what to do about it; empty where the message says it all.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Take a sentence for people, and perhaps a hint."""
        super().__init__(message)
        self.hint = hint


class RequestError(LakehouseError):
    """A request names something that does not exist, or cannot be understood."""

    code = "invalid_request"


class BusyError(LakehouseError):
    """Another process is running this lakehouse; its runs must end first."""

    code = "busy"
