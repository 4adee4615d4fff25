"""Dagster as a child process of `lakehouse dev`: starting it, ending all of it, and which of its lines people see."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lakehouse.cli.console import FAILED, err

HOST = "127.0.0.1"
PATIENCE_SECONDS = 20.0
"""How long a stop waits for the runs under way; what is left then is killed, and the next start makes it good."""
GRACE_SECONDS = 3.0
START_SECONDS = 120.0

_RUN = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_RECORD = re.compile(
    r"^(?:\x1b\[\d+m)?\d{4}-\d\d-\d\d (?P<time>\d\d:\d\d:\d\d) \S+ - (?P<logger>dagster\S*) - "
    r"(?P<level>[A-Z]+) - (?P<message>.*)$"
)
_OF_A_RUN = re.compile(rf"^\S+ - (?P<run>{_RUN}) - (?:\d+ - )?(?:\w+__\w+ - )?(?P<message>.*)$")
_COLOUR = re.compile(r"\x1b\[\d+m")
_REPEATED = re.compile(r"No cursor for event type|Dependencies for step|RUN_FAILURE - .*Steps failed: ")
"""What Dagster says on every first start, and what follows from a step's failure, which it has told before."""


def serve(port: int, workspace: Path, project: Path, environment: dict[str, str]) -> int:
    """Run Dagster until it ends or a signal asks for it, and leave no process behind.

    Returns:
        The exit code: 0 when it was asked to stop.
    """
    signals: list[int] = []
    # Handlers of our own: a shell that starts a job in the background has it ignore SIGINT, and children inherit that.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: signals.append(received))
    command = [sys.executable, "-m", "dagster", "dev", "--host", HOST, "--port", str(port), "--log-level", "warning"]
    command += ["--workspace", str(workspace)]
    dagster = subprocess.Popen(  # noqa: S603 - our own command
        command,
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # a group of its own: the terminal's Ctrl-C reaches us only, and we end all of it
    )
    for work in (lambda: _show(dagster.stdout or (), port), lambda: _tell_when_ready(dagster, port)):
        threading.Thread(target=work, daemon=True).start()
    while dagster.poll() is None and not signals:
        time.sleep(0.2)
    if not signals:
        err().print("[red]error:[/] Dagster ended unexpectedly; the lines above say why")
    _stop(dagster, signals)
    return 0 if signals else FAILED


def _stop(dagster: subprocess.Popen[str], signals: list[int]) -> None:
    """End Dagster's processes: let runs finish for a while, then end what is left. A second signal ends all at once."""
    asked = len(signals)
    err().print("Stopping; runs under way are finished first. Ctrl-C again stops at once.")
    if dagster.poll() is None:
        dagster.send_signal(signal.SIGINT)  # `dagster dev` stops its own children in order
    for then, patience in ((signal.SIGTERM, PATIENCE_SECONDS), (signal.SIGKILL, GRACE_SECONDS)):
        if _ended(dagster, patience, hurry=lambda: len(signals) > asked):
            break
        _signal_all(dagster.pid, then)
    else:
        _ended(dagster, GRACE_SECONDS, hurry=lambda: False)
    err().print("Stopped.")


def _ended(dagster: subprocess.Popen[str], seconds: float, hurry: Callable[[], bool]) -> bool:
    """Wait until no process of Dagster's group is left; False when some are after the time, or there is a hurry."""
    deadline = time.monotonic() + seconds
    while True:
        dagster.poll()
        if not _signal_all(dagster.pid, 0):
            return True
        if time.monotonic() > deadline or hurry():
            return False
        time.sleep(0.1)


def _signal_all(group: int, number: int) -> bool:
    """Send a signal to every process of a group; False when there is none. Signal 0 only asks."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # how macOS speaks of processes that have ended and wait for their parent
        return False
    return True


def _tell_when_ready(dagster: subprocess.Popen[str], port: int) -> None:
    from urllib.request import urlopen

    deadline = time.monotonic() + START_SECONDS
    while dagster.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"http://{HOST}:{port}/server_info", timeout=1):
                err().print(f"[green]Ready:[/] http://{HOST}:{port}")
                return
        except OSError:
            time.sleep(0.3)


def _show(lines: Iterable[str], port: int) -> None:
    for line in readable(lines, f"http://{HOST}:{port}"):
        err().print(line, markup=False, highlight=False, soft_wrap=True)


def readable(lines: Iterable[str], ui: str) -> Iterator[str]:
    """Return what people want to see of Dagster's output.

    That is what runs report, one line each and without Dagster's own steps; a failure with a link to its run, which
    shows its traceback; and all that is not a run's, such as why definitions do not load.
    """
    hidden = False
    for raw in lines:
        line = _COLOUR.sub("", raw.rstrip("\n"))
        record = _RECORD.match(line)
        if record is None:  # the rest of the record before it
            if not hidden and line:
                yield line
            continue
        run = _OF_A_RUN.match(record["message"])
        message = run["message"] if run else record["message"]
        told = record["level"] == "DEBUG" or _REPEATED.match(message) is not None
        hidden = told or run is not None
        if told:
            continue
        link = f" - {ui}/runs/{run['run']}" if run and record["level"] in {"ERROR", "CRITICAL"} else ""
        yield f"{record['time']} {message.removeprefix('STEP_FAILURE - ')}{link}"
