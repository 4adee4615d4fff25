"""Spark as an application of its own: in this machine's memory, and on a standalone cluster of several JVMs.

Over Spark Connect it is tested wherever an engine is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.processes import PROJECT
from tests.s3_server import new_bucket
from tests.spark_servers import need_spark


def run(folder, root: str, url: str) -> tuple[dict, str]:
    """Run the application in a folder; return what it found, and what else it told the terminal."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.spark_application", root, url],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


EXPECTED = {"zone": "UTC", "rows": 999, "kinds": 7}


def test_spark_runs_in_a_process_of_the_lakehouse_and_keeps_the_terminal_readable(tmp_path):
    need_spark()
    found, told = run(tmp_path, str(tmp_path / "lake"), "local[2]")
    assert found.pop("tasks") == found.pop("tasks_in_log") > 4
    assert found == {**EXPECTED, "master": "local[2]", "pythons": [[sys.executable, False]]}
    assert [line for line in told.splitlines() if "incubator modules" not in line] == []


def test_spark_runs_on_a_standalone_cluster_over_a_lake_in_an_object_store(
    tmp_path, spark_cluster_url, run_folder, monkeypatch
):
    bucket = new_bucket(run_folder, "moto", monkeypatch)
    found, _ = run(tmp_path, f"{bucket.uri}/lake", spark_cluster_url)
    assert found.pop("tasks") == found.pop("tasks_in_log") > 4
    assert found == {**EXPECTED, "master": spark_cluster_url, "pythons": [[sys.executable, True]]}
    (log,) = (tmp_path / ".lakehouse-s3" / bucket.name / "lake" / "spark-events").iterdir()
    executors = {event["Executor ID"] for event in map(json.loads, log.open()) if "ExecutorAdded" in event["Event"]}
    assert len(executors) == 2
    assert bucket.environment["AWS_SECRET_ACCESS_KEY"] not in log.read_text()
