"""The engine that the settings name."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse.engines.base import Engine


@functools.cache
def open_engine(root: str, name: str, spark_url: str) -> Engine:
    """Return a lake's engine, one in a process; its session starts when a frame is first asked for."""
    if name == "spark":
        from lakehouse.engines.spark import SparkEngine

        return SparkEngine(root, spark_url)
    from lakehouse.engines.sail import SailEngine

    return SailEngine(root)
