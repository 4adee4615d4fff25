"""A lakehouse as a library: from landing files to published Delta tables, and the answers people ask of them.

Belongs here: every idea that holds for anybody's tables, a room an idea. Rooms import only rooms that stand above them
(``tests/test_rooms.py`` lists the order). Not here: tables, which live in ``lakehouse_assets``, and the Dagster rooms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakehouse.errors import LakehouseError
    from lakehouse.project import Lakehouse

__all__ = ["Lakehouse", "LakehouseError"]
_HOMES = {"Lakehouse": "lakehouse.project", "LakehouseError": "lakehouse.errors"}


def __getattr__(name: str) -> Any:
    """Import what is exported when it is first used: ``import lakehouse`` alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
