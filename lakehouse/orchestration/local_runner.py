"""The local runner: a lakehouse's runs in this process, one caller at a time, over its own Dagster home."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.clock import using
from lakehouse.orchestration.run_lock import alone
from lakehouse.tables.declarations import BronzeTable

if TYPE_CHECKING:
    import dagster as dg

    from lakehouse.application import Application
    from lakehouse.clock import Clock
    from lakehouse.orchestration.runner import Progress, RunReport
    from lakehouse.settings import Settings
    from lakehouse.tables.declarations import Table


@dataclass(frozen=True)
class LocalRunner:
    """Runs some tables of a lakehouse.

    Attributes:
        settings: which lakehouse.
        application: the project whose definitions run.
        tables: what runs: with each table all that it reads.
        clock: what time it is; the machine's where it is None.
    """

    settings: Settings
    application: Application
    tables: Sequence[Table]
    clock: Clock | None = None

    def exclusively(self) -> AbstractContextManager[None]:
        """Keep every other run of this lakehouse out while the context is open; ``run`` and ``backfill`` need it.

        Raises:
            BusyError: another process runs it.
        """
        return alone(self.settings)

    def run(
        self,
        *,
        progress: Callable[[Progress], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> RunReport:
        """Take in what has landed and bring it to gold until nothing is left to do."""
        from lakehouse.orchestration.runner import run_until_idle

        sources = [table.source for table in self.tables if isinstance(table, BronzeTable)]
        with self._opened() as (definitions, instance):
            return run_until_idle(
                definitions, self.settings, sources, instance, progress=progress, should_stop=should_stop
            )

    def backfill(
        self,
        partitions: Mapping[str, Collection[str]],
        *,
        decide: Callable[[], None] = lambda: None,
        progress: Callable[[Progress], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> RunReport:
        """Compute partitions of some tables again, by partition keys, and what follows from them.

        Args:
            partitions: partition keys by table.
            decide: records what they are computed again for. If the process dies after it has begun, the next run
                completes the backfill.
            progress: told what runs.
            should_stop: asked before and after each run.
        """
        from lakehouse.orchestration.runner import backfill

        with self._opened() as (definitions, instance):
            return backfill(
                definitions, instance, partitions, decide=decide, progress=progress, should_stop=should_stop
            )

    def pending(self) -> dict[str, list[str]]:
        """Return the partitions, by table, of a backfill that died or in which a run failed."""
        if not self.settings.dagster_home.is_dir():
            return {}
        from lakehouse.orchestration.instance.home import open_instance
        from lakehouse.orchestration.runner import pending_backfill

        _quiet_dagster()
        with open_instance(self.settings.dagster_home) as instance:
            return pending_backfill(instance)

    @contextmanager
    def _opened(self) -> Iterator[tuple[dg.Definitions, dg.DagsterInstance]]:
        _quiet_dagster()
        from lakehouse.orchestration.instance.home import open_instance

        with open_instance(self.settings.dagster_home) as instance, self._time():
            yield self.application.definitions(self.settings, self.tables), instance

    @contextmanager
    def _time(self) -> Iterator[None]:
        """Let everything that runs, Dagster's calendars included, follow the clock that was handed in."""
        if self.clock is None:
            yield
            return
        import dagster as dg

        with using(self.clock), dg.partition_loading_context(effective_dt=self.clock()):
            yield


def _quiet_dagster() -> None:
    import dagster as dg

    for category in (dg.PreviewWarning, dg.BetaWarning):
        warnings.filterwarnings("ignore", category=category)
    # It warns of every check of a table that is skipped because nothing new landed for it; those are no checks to miss.
    logging.getLogger("dagster._core.execution.plan.active").setLevel(logging.ERROR)
