"""The servers that tests share: one for all processes of a run, and none left when they are gone, however they went."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import urllib.request

import pytest

from tests.processes import PROJECT, wait_for

USER = """
import sys, time
from pathlib import Path
from tests.servers import shared_server

def command(port):
    return [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]

print(shared_server(Path(sys.argv[1]), "web", command), flush=True)
time.sleep(600)
"""


@pytest.fixture
def user(tmp_path):
    """Start a process that uses the server; return it and the server's port."""
    with contextlib.ExitStack() as stack:

        def start():
            process = subprocess.Popen(
                [sys.executable, "-c", USER, str(tmp_path)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process, int(process.stdout.readline())

        yield start


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=1):
            return True
    except OSError:
        return False


def test_processes_share_a_server_that_is_gone_when_all_of_them_were_killed(user):
    (first, port), (second, same) = user(), user()
    assert port == same
    first.send_signal(signal.SIGKILL)
    first.wait()
    third, still_the_same = user()
    assert still_the_same == port
    assert answers(port)
    for process in (second, third):
        process.send_signal(signal.SIGKILL)
    wait_for("the server to end", lambda: not answers(port), seconds=20)


def test_a_server_that_has_ended_is_started_anew(user):
    process, port = user()
    process.kill()
    wait_for("the server to end", lambda: not answers(port), seconds=20)
    _, another = user()
    assert answers(another)
