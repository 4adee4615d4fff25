"""Real Sparks for tests, out of the pyspark package: a Connect server, and a standalone cluster of three JVMs.

One of each serves a whole run (see ``servers``). Both have the keys to the run's S3 services, and moto's endpoint. A
lake in another service works too, for a session says where its bucket is: ``fs.s3a.bucket.<name>.endpoint``, which
Hadoop reads when the bucket is first used. A landing zone there does not: Python on executors has only the environment.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakehouse.engines.spark_session import DEPLOY, event_log_folder, spark_config
from tests.s3_server import s3_environment
from tests.servers import shared_server

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_CHEAP_JVM = (
    "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto "
    # What a whole run compiles does not fit in the 48 MB there would be: code would be thrown away and compiled again.
    "-XX:ReservedCodeCacheSize=240m "
    "-XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
)
_NO_COMPILING = {"spark.sql.codegen.factoryMode": "NO_CODEGEN", "spark.sql.codegen.wholeStage": "false"}
"""Tests start many small queries: making code that is fast never pays there. A third less time."""
_ONE_TASK = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.databricks.delta.snapshotPartitions": "1",
}
"""Where the session of a small lake differs from any other. Plans that adapt alone cost half as much again."""


@pytest.fixture(scope="session")
def spark_url(run_folder) -> str:
    """The address of the run's Spark Connect server."""
    return connect_url(run_folder)


@pytest.fixture(scope="session")
def spark_cluster_url(run_folder) -> str:
    """The address of the run's standalone cluster."""
    return cluster_url(run_folder)


@functools.cache
def in_one_task(session: SparkSession) -> SparkSession:
    """Have a session run each step of a query in one task, which suits a table of three rows."""
    for name, value in _ONE_TASK.items():
        session.conf.set(name, value)
    return session


@contextlib.contextmanager
def adapting(session: SparkSession) -> Iterator[None]:
    """Let plans adapt, as they do for users, where that is what a test is about."""
    session.conf.set("spark.sql.adaptive.enabled", "true")
    try:
        yield
    finally:
        session.conf.set("spark.sql.adaptive.enabled", "false")


def need_spark() -> None:
    """Skip a test where Spark cannot run; fail it in CI, where it must."""
    missing = [name for name in ("java", "javac", "mvn") if shutil.which(name) is None]
    if (DEPLOY / "jars" / ".ready").exists():
        missing = [name for name in missing if name == "java"]
        if not missing:
            return
    reason = f"Spark needs {', '.join(missing) or 'its jars'}: install a JDK and Maven, then: make spark"
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


@functools.cache
def connect_url(folder: Path) -> str:
    """Return the address of a run's Spark Connect server, which is started if it is not there."""
    need_spark()
    lake = folder / "spark-connect"
    event_log_folder(str(lake)).mkdir(parents=True, exist_ok=True)
    config = {
        **spark_config(str(lake), "local[2]"),
        **_NO_COMPILING,
        "spark.driver.memory": "1500m",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.local.dir": str(lake),
        "spark.sql.warehouse.dir": str(lake / "warehouse"),
    }
    config["spark.driver.extraJavaOptions"] += f" {_CHEAP_JVM}"

    def command(port: int) -> list[str]:
        settings = {**config, "spark.connect.grpc.binding.port": str(port)}
        flags = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
        server = "org.apache.spark.sql.connect.service.SparkConnectServer"
        return _spark(_environment(folder), "spark-submit", "--class", server, *flags, "spark-internal")

    return f"sc://127.0.0.1:{shared_server(folder, 'spark-connect', command)}"


@functools.cache
def cluster_url(folder: Path) -> str:
    """Return the address of a run's standalone cluster, a master and two workers with a core and 1 GB each."""
    need_spark()
    environment = {**_environment(folder), "SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": _CHEAP_JVM}
    deploy = "org.apache.spark.deploy"

    def master(port: int) -> list[str]:
        where = ["--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
        return _spark(environment, "spark-class", f"{deploy}.master.Master", *where)

    url = f"spark://127.0.0.1:{shared_server(folder, 'spark-master', master)}"
    for name in ("spark-worker-1", "spark-worker-2"):

        def worker(port: int, name: str = name) -> list[str]:
            where = ["--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
            size = ["--cores", "1", "--memory", "1g", "--work-dir", str(folder / name)]
            return _spark(environment, "spark-class", f"{deploy}.worker.Worker", *where, *size, url)

        shared_server(folder, name, worker)
    return url


def _environment(folder: Path) -> dict[str, str]:
    """Return what a Spark of the tests must know: this Python, this machine, the keys to the run's buckets."""
    return {
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(DEPLOY.parents[1]),  # tests give executors functions of their own modules
        "SPARK_LOCAL_IP": "127.0.0.1",
        **s3_environment(folder, "moto"),
    }


def _spark(environment: Mapping[str, str], program: str, *arguments: str) -> list[str]:
    """Return the command that runs one of Spark's programs in the foreground."""
    import pyspark

    home = Path(pyspark.__file__).parent
    variables = [f"{name}={value}" for name, value in {**environment, "SPARK_HOME": str(home)}.items()]
    return ["env", *variables, str(home / "bin" / program), *arguments]
