"""The engine that the settings name."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse.engines.base import Engine
    from lakehouse.settings import Settings

_LOCK = threading.Lock()


def engine_of(settings: Settings) -> Engine:
    """Return the engine of a lakehouse; its session starts when a frame is first asked for."""
    return open_engine(settings.root, settings.engine, settings.spark_url)


def open_engine(root: str, name: str, spark_url: str) -> Engine:
    """Return a lake's engine, one in a process, whichever thread asks first."""
    with _LOCK:
        # PySpark's packages import each other: two threads that import them at once may find one half loaded.
        import pyspark.sql  # noqa: F401

        return _opened(root, name, spark_url)


@functools.cache
def _opened(root: str, name: str, spark_url: str) -> Engine:
    if name == "spark":
        from lakehouse.engines.spark import SparkEngine

        return SparkEngine(root, spark_url)
    from lakehouse.engines.sail import SailEngine

    return SailEngine(root)
