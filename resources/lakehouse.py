"""The lakehouse as a Dagster resource: the one thing an asset needs to reach tables and landing files.

Belongs here: turning settings into an engine and a landing zone, once per process. Settings are read in ``settings``.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from dagster import ConfigurableResource

from lakehouse.engines.factory import open_engine
from lakehouse.ingestion.batches import Ingestion
from lakehouse.landing.zone import open_landing
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from lakehouse.engines.base import Engine
    from lakehouse.ingestion.staging import Source
    from lakehouse.landing.zone import Landing


class Lakehouse(ConfigurableResource):  # type: ignore[type-arg]  # the resource is its own value
    """Tables under ``root``, files under ``landing``, a calendar from ``start_date`` (ISO) to today.

    Frames run on ``engine_name``, ``sail`` or ``spark``; the latter is found at ``spark_url``.
    """

    root: str
    landing: str
    start_date: str
    engine_name: str = "sail"
    spark_url: str = "local[*]"

    @classmethod
    def of(cls, settings: Settings) -> Lakehouse:
        """Return the lakehouse the settings describe; nothing is opened yet."""
        return cls(
            root=settings.root,
            landing=settings.landing,
            start_date=settings.start_date.isoformat(),
            engine_name=settings.engine,
            spark_url=settings.spark_url,
        )

    @property
    def engine(self) -> Engine:
        """The engine; its session starts when a frame is first asked for."""
        return open_engine(self.root, self.engine_name, self.spark_url)

    def open_landing(self) -> Landing:
        """Open the landing zone."""
        return open_landing(self.landing)

    def ingestion(self, source: Source) -> Ingestion:
        """Return the ingestion of a source into this lakehouse."""
        return Ingestion(
            engine=self.engine,
            landing=self.open_landing(),
            source=source,
            root=self.root,
            earliest=dt.date.fromisoformat(self.start_date),
            latest=dt.datetime.now(tz=dt.UTC).date(),
        )
