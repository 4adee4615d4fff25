"""The lakehouse as a Dagster resource: the one thing an asset needs to reach tables and landing files."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from dagster import ConfigurableResource

from lakehouse.engines.factory import engine_of
from lakehouse.ingestion.batches import open_ingestion
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from lakehouse.engines.base import Engine
    from lakehouse.ingestion.batches import Ingestion
    from lakehouse.ingestion.staging import Source


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
    def settings(self) -> Settings:
        """The settings that the resource was configured with; the environment is not asked."""
        return Settings(
            root=self.root,
            landing=self.landing,
            start_date=dt.date.fromisoformat(self.start_date),
            engine=self.engine_name,  # type: ignore[arg-type]  # checked by the settings
            spark_url=self.spark_url,
        )

    @property
    def engine(self) -> Engine:
        """The engine; its session starts when a frame is first asked for."""
        return engine_of(self.settings)

    def ingestion(self, source: Source) -> Ingestion:
        """Return the ingestion of a source into this lakehouse."""
        return open_ingestion(self.settings, source)
