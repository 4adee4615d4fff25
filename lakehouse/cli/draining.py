"""A drain from the command line: the lock, the Dagster home, and what is shown while it goes on.

Belongs here: what ``lakehouse run`` and ``lakehouse demo`` share. What a drain does is for
``lakehouse.orchestration.runner``.
"""

from __future__ import annotations

import logging
import signal
import socket
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from lakehouse.cli.console import CommandError, err, span
from lakehouse.ingestion.calendar_start import hold_first_day
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from lakehouse.orchestration.runner import Drained, Run

_MANY_SIGNALS = 4096
_QUIET_SECONDS = 1.0
"""Without a terminal a table says at most one line in this time."""


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Keep every other drain of this lake out.

    Of a lake on an object store that holds for this folder only; a drain from elsewhere is told by the batch protocol.

    Raises:
        CommandError: another one is under way.
        SettingsError: the lake was made with another first day.
    """
    from filelock import FileLock, Timeout

    path = _lock_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise CommandError(
            f"another `lakehouse run`, `lakehouse demo` or `lakehouse dev` is at work on {settings.root}; "
            "wait until it has finished"
        ) from None
    try:
        hold_first_day(settings.root, settings.start_date)
        yield
    finally:
        lock.release()


def bring_to_gold(settings: Settings) -> Drained:
    """Drain the landing zone, showing what happens on stderr. The caller holds the lock."""
    return _shown(lambda started, heard: _drain(settings, started, heard))


def make_again(
    settings: Settings, partitions: Mapping[str, Collection[str]], decide: Callable[[], None] = lambda: None
) -> Drained:
    """Make partitions of some tables again and what follows from them, as a drain does. The caller holds the lock.

    ``decide`` keeps what they are made again for. Whatever dies after it has begun, the next drain completes it.
    """
    return _shown(lambda started, heard: _restate(settings, partitions, decide, started, heard))


def rehearse(settings: Settings, partitions: Mapping[str, Collection[str]] | None = None) -> Drained:
    """Do on a copy of a lake what ``bring_to_gold`` does, or ``make_again`` for some partitions; little is shown."""
    if partitions is None:
        return _shown(lambda started, heard: _drain(settings, started, heard), _Hint(err()))
    return _shown(lambda started, heard: _restate(settings, partitions, lambda: None, started, heard), _Hint(err()))


def is_alone(settings: Settings) -> bool:
    """Whether no other drain of this lake is under way at this moment."""
    from filelock import FileLock, Timeout

    path = _lock_file(settings)
    if not path.exists():
        return True
    try:
        with FileLock(path, blocking=False):
            return True
    except Timeout:
        return False


def _lock_file(settings: Settings) -> Path:
    return settings.dagster_home / ".drain.lock"


def left_unfinished(settings: Settings) -> dict[str, list[str]]:
    """Return the partitions, by table, that were to be made again by a process that died, or whose run failed."""
    if not settings.dagster_home.is_dir():
        return {}
    _quiet_dagster()
    from lakehouse.orchestration.instance.home import open_instance
    from lakehouse.orchestration.runner import unfinished

    with open_instance(settings.dagster_home) as instance:
        return unfinished(instance)


def _shown(
    work: Callable[[Callable[[Run], None], Callable[[str, str], None]], Drained], display: _Display | None = None
) -> Drained:
    display = display or _Display(err())
    with display.while_running("starting"), _noticing_interrupts() as stop_if_interrupted:

        def run_started(run: Run) -> None:
            stop_if_interrupted()
            display.run_started(run)

        drained = work(run_started, display.heard)
        stop_if_interrupted()
        return drained


@contextmanager
def _noticing_interrupts() -> Iterator[Callable[[], None]]:
    """Notice Ctrl-C even where Dagster takes it for the failure of one run: the yielded function then raises it.

    Python writes the number of every signal to its wakeup socket, whoever handles the signal.
    """
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.settimeout(0)
        writer.settimeout(0)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

        def stop_if_interrupted() -> None:
            try:
                received = reader.recv(_MANY_SIGNALS)
            except BlockingIOError:
                return
            if signal.SIGINT in received:
                raise KeyboardInterrupt

        try:
            yield stop_if_interrupted
        finally:
            signal.set_wakeup_fd(before)


def _quiet_dagster() -> None:
    import dagster as dg

    for category in (dg.PreviewWarning, dg.BetaWarning):
        warnings.filterwarnings("ignore", category=category)
    # It warns of every check of a table that is skipped because nothing new landed for it; those are no checks to miss.
    logging.getLogger("dagster._core.execution.plan.active").setLevel(logging.ERROR)


def _restate(
    settings: Settings,
    partitions: Mapping[str, Collection[str]],
    decide: Callable[[], None],
    started: Callable[[Run], None],
    heard: Callable[[str, str], None],
) -> Drained:
    _quiet_dagster()
    from lakehouse.orchestration.instance.home import open_instance
    from lakehouse.orchestration.runner import restate
    from lakehouse_assets.definitions import build_defs

    with open_instance(settings.dagster_home) as instance:
        return restate(build_defs(settings), instance, partitions, decide=decide, started=started, heard=heard)


def _drain(settings: Settings, started: Callable[[Run], None], heard: Callable[[str, str], None]) -> Drained:
    _quiet_dagster()
    from lakehouse.orchestration.instance.home import open_instance
    from lakehouse.orchestration.runner import drain
    from lakehouse.tables.declarations import BronzeTable
    from lakehouse_assets.definitions import build_defs, find_tables
    from resources.lakehouse import Lakehouse

    sources = [table.source for table in find_tables() if isinstance(table, BronzeTable)]
    with open_instance(settings.dagster_home) as instance:
        return drain(
            build_defs(settings),
            Lakehouse.of(settings),
            sources,
            instance,
            started=started,
            heard=heard,
        )


class _Display:
    """Shows a drain: the run at work and its last message on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._run = ""
        self._runs = 0
        self._spoken: dict[str, float] = {}

    @contextmanager
    def while_running(self, text: str) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        with self._console.status(text) as self._status:
            yield

    def run_started(self, run: Run) -> None:
        self._runs += 1
        days = span([run.first] if run.first == run.last else [run.first, run.last])
        self._run = f"run {self._runs}: {days}"
        self._console.print(f"[bold]{self._run}[/]  {', '.join(run.tables)}", soft_wrap=True)

    def heard(self, table: str, message: str) -> None:
        if self._status is not None:
            self._status.update(f"{self._run}  {escape(message or table)}")
        elif message and time.monotonic() - self._spoken.get(table, float("-inf")) > _QUIET_SECONDS:
            self._spoken[table] = time.monotonic()
            self._console.print(f"  {escape(message)}", soft_wrap=True)


class _Hint(_Display):
    """Shows what a rehearsal is at, on a terminal only: nothing of it stays."""

    def run_started(self, run: Run) -> None:
        self._run = f"rehearsing {span([run.first] if run.first == run.last else [run.first, run.last])}"

    def heard(self, table: str, message: str) -> None:
        if self._status is not None:
            self._status.update(f"{self._run}  {escape(message or table)}")


def as_data(drained: Drained) -> dict[str, Any]:
    """Return what a drain did, for JSON."""
    return {
        "runs": drained.runs,
        "errors": drained.errors,
        "notes": drained.notes,
        "unroutable": sorted(set(drained.unroutable)),
    }
