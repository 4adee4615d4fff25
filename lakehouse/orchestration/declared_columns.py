"""Requests for runs that give bronze the columns that its declaration has and its table has not.

No file has to land for it: such a run moves the rescued values of the columns into them (see ``ingestion.batches``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse.ingestion.batches import open_ingestion
from lakehouse.orchestration.landing_requests import LandingRequest

if TYPE_CHECKING:
    from lakehouse.ingestion.staging import Source
    from lakehouse.settings import Settings


def declared_columns(settings: Settings, sources: Sequence[Source]) -> list[LandingRequest]:
    """Return a request for each source with columns that bronze does not have yet.

    It is the same request until bronze has another version, so a sensor may return it at every tick. An ingestion that
    was interrupted fills the columns when it is completed, and is not requested for them.
    """
    requests = []
    for source in sources:
        ingestion = open_ingestion(settings, source)
        columns = ingestion.new_columns()
        if not columns or ingestion.interrupted() is not None:
            continue
        day = ingestion.last_landing_date()
        if day is not None:
            version = ingestion.engine.version(f"bronze.{source.name}")
            asked = f"declared:{source.name}:{','.join(columns)}@{version}"
            requests.append(LandingRequest(source.name, day, day, asked))
    return requests
