"""Servers that the tests of a run share: the first test that asks starts one, whichever process it runs in.

Every process that uses a server holds a shared lock on a file. The server's keeper, a process of its own, tries for the
same lock alone: when it gets it, nobody is left, and the server ends. A killed run leaves none behind that way, for
the kernel lets go of a dead process' locks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import pytest
from filelock import FileLock

from tests.processes import PROJECT, free_port, wait_for

_in_use: list[TextIO] = []
"""The locks of this process; they are held for as long as it lives."""


def shared_server(folder: Path, name: str, command: Callable[[int], Sequence[str]]) -> int:
    """Return the port of a run's server of some name, started if it is not there. Ask once in a process.

    Args:
        folder: the run's.
        name: of the server; its output is in ``<name>.log``.
        command: from a port to the command that serves there.
    """
    users = (folder / f"{name}.users").open("a")
    known = folder / f"{name}.port"
    with FileLock(folder / f"{name}.lock"):
        fcntl.flock(users, fcntl.LOCK_SH)  # waits for the end of a server that nobody used
        _in_use.append(users)
        if known.exists() and _listens(port := int(known.read_text())):
            return port
        port = free_port()
        log = folder / f"{name}.log"
        with log.open("a") as output:
            subprocess.Popen(
                [sys.executable, "-m", "tests.servers", users.name, *command(port)],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_for(f"{name} to listen on port {port}", lambda: _listens(port), log=log)
        known.write_text(str(port))
        return port


def _listens(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def in_environment(monkeypatch: pytest.MonkeyPatch, prefix: str, variables: Mapping[str, str]) -> None:
    """Set variables, and take away all others with the prefix: whose the machine's are is no matter of a test."""
    for name in [name for name in os.environ if name.startswith(prefix)]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def _keep(users: str, command: Sequence[str]) -> None:
    """Run a server for as long as somebody holds the lock."""
    server = subprocess.Popen(command, start_new_session=True)
    with open(users) as file:  # noqa: PTH123 - only its lock is of interest
        while server.poll() is None:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


if __name__ == "__main__":
    _keep(sys.argv[1], sys.argv[2:])
