"""`lakehouse dev` refuses clearly, and shows people what they want to see of Dagster's output."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from lakehouse.cli.dev_server import readable
from tests.processes import PROJECT, lake_environment

UI = "http://127.0.0.1:3000"
RUN = "f271eb38-b484-49e7-91a0-c888fe830bb1"
AT = "2026-11-21 11:14:35 +0000 - dagster"


def _refusal(root, port=3000):
    command = [sys.executable, "-m", "lakehouse", "dev", "--port", str(port)]
    ended = subprocess.run(
        command, env=lake_environment(root), cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    return " ".join(ended.stderr.split())


def test_a_taken_port_is_refused_before_anything_is_written(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        assert f"port {port} of 127.0.0.1 is taken" in _refusal(tmp_path / "lake", port)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("lines", "seen"),
    [
        ([f"{AT} - DEBUG - transactions - {RUN} - 12 - STEP_START - Started.", "and more of it"], []),
        (
            [f"{AT} - INFO - transactions - {RUN} - silver__transactions - silver.transactions: 3 rows published"],
            ["11:14:35 silver.transactions: 3 rows published"],
        ),
        (
            [
                f'{AT} - ERROR - __ASSET_JOB - {RUN} - 12 - silver__orders - STEP_FAILURE - Execution of "x" failed.',
                "Traceback (most recent call last):",
                f"{AT} - ERROR - transactions - {RUN} - Dependencies for step gold__sales failed: ['silver__orders'].",
                f"{AT} - ERROR - transactions - {RUN} - 12 - RUN_FAILURE - Failed. Steps failed: ['silver__orders'].",
            ],
            [f'11:14:35 Execution of "x" failed. - {UI}/runs/{RUN}'],
        ),
        (
            [f"\x1b[32m{AT}.daemon\x1b[0m - \x1b[34mERROR\x1b[0m - Could not load", "Traceback", "ImportError: x"],
            ["11:14:35 Could not load", "Traceback", "ImportError: x"],
        ),
        (["ModuleNotFoundError: No module named 'x'"], ["ModuleNotFoundError: No module named 'x'"]),
    ],
    ids=["steps", "reports", "a failed run", "what does not load", "what is no record"],
)
def test_of_dagsters_output_people_see(lines, seen):
    assert list(readable([f"{line}\n" for line in lines], UI)) == seen
