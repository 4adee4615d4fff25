"""Progress on a terminal: the run at work and its last message, plain lines elsewhere, and Ctrl-C as a clean stop."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from lakehouse.cli.console import INTERRUPTED, err, span

if TYPE_CHECKING:
    from rich.status import Status

    from lakehouse.orchestration.runner import Progress, RunReport

_MANY_SIGNALS = 4096
_QUIET_SECONDS = 1.0
"""Without a terminal a table says at most one line in this time."""


class Display:
    """Shows runs on stderr.

    Args:
        simulated: the runs leave nothing behind; they are shown on a terminal only.
    """

    def __init__(self, *, simulated: bool = False) -> None:
        """Begin with no run."""
        self._console = err()
        self._simulated = simulated
        self._status: Status | None = None
        self._run: Any = None
        self._runs = 0
        self._title = ""
        self._spoken: dict[str, float] = {}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Keep the terminal's status line while the context is open."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status("starting") as self._status:
            yield

    def __call__(self, said: Progress) -> None:
        """Show what a run is doing."""
        if said.run != self._run:
            self._run_started(said)
        if said.table:
            self._heard(said.table, said.message)

    def _run_started(self, said: Progress) -> None:
        self._run, self._runs = said.run, self._runs + 1
        days = span([said.run.first] if said.run.first == said.run.last else [said.run.first, said.run.last])
        self._title = f"simulating {days}" if self._simulated else f"run {self._runs}: {days}"
        if not self._simulated:
            self._console.print(f"[bold]{self._title}[/]  {', '.join(said.run.tables)}", soft_wrap=True)

    def _heard(self, table: str, message: str) -> None:
        if self._status is not None:
            self._status.update(f"{self._title}  {escape(message or table)}")
        elif self._simulated or not message:
            return
        elif time.monotonic() - self._spoken.get(table, float("-inf")) > _QUIET_SECONDS:
            self._spoken[table] = time.monotonic()
            self._console.print(f"  {escape(message)}", soft_wrap=True)


class Interrupts:
    """Ctrl-C, noticed even where Dagster takes it for the failure of one run; called, it says whether there was one.

    Python writes the number of every signal to its wakeup socket, whoever handles the signal.
    """

    def __init__(self) -> None:
        """Notice nothing before ``open``."""
        self._reader: socket.socket | None = None
        self._seen = False

    @contextmanager
    def open(self) -> Iterator[None]:
        """Notice interrupts while the context is open."""
        reader, writer = socket.socketpair()
        with reader, writer:
            reader.settimeout(0)
            writer.settimeout(0)
            before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
            self._reader = reader
            try:
                yield
            finally:
                self._reader = None
                signal.set_wakeup_fd(before)

    def __call__(self) -> bool:
        """Return whether Ctrl-C was pressed."""
        if self._reader is not None and not self._seen:
            try:
                self._seen = signal.SIGINT in self._reader.recv(_MANY_SIGNALS)
            except BlockingIOError:
                return False
        return self._seen


@contextmanager
def watched(*, simulated: bool = False) -> Iterator[tuple[Display, Interrupts]]:
    """Show runs and notice Ctrl-C while the context is open: its values are ``progress`` and ``should_stop``.

    After Ctrl-C the command says that nothing is lost, and leaves with exit code 130.
    """
    display, interrupts = Display(simulated=simulated), Interrupts()
    try:
        with display.open(), interrupts.open():
            yield display, interrupts
    except BaseException as error:
        if not _is_interrupt(error):
            raise
        err().print("\nStopped. Nothing is lost: `lakehouse run` goes on where this one stopped.")
        raise typer.Exit(INTERRUPTED) from error


def _is_interrupt(error: BaseException) -> bool:
    from dagster import DagsterExecutionInterruptedError

    from lakehouse.orchestration.runner import StoppedError

    return isinstance(error, (KeyboardInterrupt, StoppedError, DagsterExecutionInterruptedError))


def as_data(report: RunReport) -> dict[str, Any]:
    """Return what a run did, for JSON."""
    return {
        "runs": report.runs,
        "errors": report.errors,
        "notes": report.notes,
        "unroutable": sorted(set(report.unroutable)),
    }
