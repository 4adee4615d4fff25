"""Checkpoints for the versions that Sail reads.

Belongs here: what keeps a frame readable that was pinned to a version before others committed on. Behind a table's
newest checkpoint, Sail looks for the one to start from no further back than a commit, and fails.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql.connect.client.retries import RetryPolicy

_LOST = re.compile(r"Missing commit file: expected version \d+, found (\d+)")
"""What Sail says; it names the commit before the version it was to read, and no table."""
_REMEMBERED = 10_000
_TABLES_OF_A_FRAME = 50


class CheckpointsOnDemand:
    """What a session's frames read, so that a version that Sail does not find gets a checkpoint of its own.

    Attributes:
        made: how many there are by now; whoever failed while it grew can ask again.
    """

    def __init__(self) -> None:
        """Know of no frame yet."""
        self.made = 0
        self._pinned: deque[tuple[str, Mapping[str, str], int]] = deque(maxlen=_REMEMBERED)

    def pin(self, location: str, options: Mapping[str, str], version: int) -> None:
        """Remember what a frame reads.

        Args:
            location: where the table lies.
            options: delta-rs's storage options.
            version: the frame's, whatever is committed later.
        """
        self._pinned.append((location, options, version))

    def retry_policy(self) -> RetryPolicy:
        """Return what looks at every error that a session's client gets; a question about a plan is asked again then.

        The client cannot ask again for a result: it asks for the rest of what has failed, which is not there.
        """
        from pyspark.sql.connect.client.retries import RetryPolicy

        make = self._make

        class OnceThereIsACheckpoint(RetryPolicy):  # type: ignore[misc]  # pyspark has no types here
            def can_retry(self, exception: BaseException) -> bool:
                return make(exception)

        return OnceThereIsACheckpoint(max_retries=_TABLES_OF_A_FRAME, initial_backoff=0)

    def _make(self, error: BaseException) -> bool:
        """Whether an error is about versions that frames were pinned to, and those have checkpoints now."""
        lost = _LOST.search(str(error))
        if lost is None:
            return False
        version = int(lost[1]) + 1
        tables = {location: options for location, options, pinned in self._pinned if pinned == version}
        given = [_has_checkpoint(location, options, version) for location, options in tables.items()]
        self.made += sum(given)
        return any(given)


def _has_checkpoint(location: str, options: Mapping[str, str], version: int) -> bool:
    """Give a version its checkpoint; whether it has one now."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        DeltaTable(location, version=version, storage_options=dict(options)).create_checkpoint()
    except (DeltaError, OSError):  # the version is gone, as Sail's own error says, or its table is out of reach
        return False
    return True
