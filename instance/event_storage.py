"""The event log's class under the name that the ``dagster.yaml`` of existing lakes has for it."""

from __future__ import annotations

from lakehouse.orchestration.instance.event_storage import BatchedSqliteEventLogStorage

__all__ = ["BatchedSqliteEventLogStorage"]
