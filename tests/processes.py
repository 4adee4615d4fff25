"""Starting programs and waiting for what they do, for tests of the real thing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def lake_environment(root: Path | str, **settings: str) -> dict[str, str]:
    """Return this process' environment with a lake, and with none of the settings of whoever starts the tests."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("LAKEHOUSE_", "DAGSTER_"))}
    return {**own, "PYTHONPATH": str(PROJECT), "LAKEHOUSE_ROOT": str(root), **settings}


@contextmanager
def started(
    arguments: list[str], log: Path, environment: Mapping[str, str], folder: Path = PROJECT
) -> Iterator[subprocess.Popen]:
    """Run a Python module in a process group of its own; whatever is left of the group at the end is killed."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 240, log: Path | None = None) -> Any:
    """Return the first true value of a condition.

    Raises:
        AssertionError: it never was true; the message says what was waited for, with the end of the log.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            told = f"\n{log.read_text()[-4000:]}" if log else ""
            raise AssertionError(f"waited {seconds:.0f} s for {what}{told}")
        time.sleep(0.2)
    return value
