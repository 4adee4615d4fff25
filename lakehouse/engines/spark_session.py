"""How a Spark session comes to be: in this process, on a cluster, over Spark Connect, on Databricks.

Belongs here: the configuration of each, and opening them. What the engine does with a session belongs in ``spark``; the
jars come from ``deploy/spark``.

Credentials are nowhere in here. Hadoop finds them in the standard variables, or has them from the machine's role: a
driver's configuration is shown in its UI, in its event log and in the list of processes.
"""

from __future__ import annotations

import functools
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lakehouse.engines.connect_mode import switch_off
from lakehouse.storage.files import endpoint, region

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DEPLOY = Path(__file__).parents[2] / "deploy" / "spark"

_LOGS_KEPT = 7 * 24 * 3600  # seconds
_opening = threading.Lock()


class SparkUnavailableError(RuntimeError):
    """There is no Spark as asked for; the message says what is missing and how to get it."""


def spark_path(uri: str) -> str:
    """Return a location as Spark's file systems call it: ``s3://`` is ``s3a://`` there."""
    scheme, separator, rest = uri.partition("://")
    return f"s3a://{rest}" if separator and scheme == "s3" else uri


def spark_config(root: str, url: str) -> dict[str, str]:
    """Return the configuration of a session.

    Whatever else a cluster needs, such as memory and cores of executors, is best said in its ``spark-defaults.conf``.

    Args:
        root: the lake's root.
        url: ``local[n]``, ``spark://host:port``, ``sc://host:port`` or ``databricks``.

    Raises:
        SparkUnavailableError: the jars have not been made.
    """
    if url == "databricks":
        return dict(_EVERYWHERE)
    if url.startswith("sc://"):
        return {"spark.remote": url, **_EVERYWHERE, **_FOR_DELTA, **_bucket(root)}
    return {"spark.master": url, **_EVERYWHERE, **_FOR_DELTA, **_application(root), **_sizes(url), **_stores()}


def open_session(root: str, url: str) -> SparkSession:
    """Return this process' session for a lake, opened when first asked for.

    Raises:
        SparkUnavailableError: something that Spark needs is not there.
    """
    with _opening:
        # Lakes that a server reaches alike share a session, and what it has compiled.
        return _open("" if url.startswith("sc://") and not _bucket(root) else root, url)


_EVERYWHERE = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
}
_FOR_DELTA = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.optimizer.canChangeCachedPlanOutputPartitioning": "true",  # or what an audit keeps is in 200 parts
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",  # the default, INT96, ends in 2262 for other readers
    # Delta would cut a table's log into 50 parts, and list the files of a VACUUM in 10,000 tasks.
    "spark.databricks.delta.snapshotPartitions": "4",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "32",
}
"""Settings of a session, which a server or a cluster that is already there accepts."""


def _application(root: str) -> dict[str, str]:
    """Return the settings of an application of our own."""
    java = "-Duser.timezone=UTC"
    return {
        "spark.app.name": "lakehouse",
        "spark.jars": ",".join(_jars()),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.driver.extraJavaOptions": f"{java} -Dlog4j2.configurationFile={(DEPLOY / 'log4j2.properties').as_uri()}",
        "spark.executor.extraJavaOptions": java,
        "spark.executorEnv.TZ": "UTC",
        "spark.ui.enabled": "false",  # a port for every run; the history server shows the event log
        "spark.ui.showConsoleProgress": "false",
        # One plain file, readable while it grows: what a write has cost is read from it.
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": event_log_folder(root).as_uri(),
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        "spark.sql.maxPlanStringLength": "10000",  # Delta's own plans are long, and all are in the log
    }


def event_log_folder(root: str) -> Path:
    """Return where Spark's event logs of a lake are: in its root; for an object store in the working folder."""
    scheme, _, rest = root.rpartition("://")
    return Path(f".lakehouse-{scheme}", rest, "spark-events").resolve() if scheme else Path(rest, "spark-events")


def _jars() -> list[str]:
    if not (DEPLOY / "jars" / ".ready").exists():
        raise SparkUnavailableError(
            f"Spark needs Delta's jars, and there are none in {DEPLOY / 'jars'}; run: make spark"
        )
    return sorted(map(str, (DEPLOY / "jars").glob("*.jar")))


def _sizes(url: str) -> dict[str, str]:
    """Return the settings that depend on the size of a machine: on this one, where the driver does all the work."""
    if not url.startswith("local"):
        return {}
    given = url.removeprefix("local").strip("[]") or "1"
    cores = os.cpu_count() or 1 if given == "*" else int(given)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": f"{max(1024, memory // 4 >> 20)}m",  # at most; several runs share the machine
        "spark.sql.shuffle.partitions": str(cores),
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": str(cores),
    }


def _stores() -> dict[str, str]:
    """Return how an application of our own reaches object stores."""
    account_key = {"fs.azure.account.keyprovider": "lakehouse.EnvironmentKeyProvider"}
    hadoop = {
        **{f"fs.s3a.{name}": value for name, value in _s3().items()},
        **(account_key if os.environ.get("AZURE_STORAGE_ACCOUNT_KEY") else {}),
    }
    return {
        "spark.delta.logStore.s3a.impl": "lakehouse.S3ConditionalLogStore",
        "spark.delta.logStore.file.impl": "lakehouse.LocalConditionalLogStore",
        **{f"spark.hadoop.{name}": value for name, value in hadoop.items()},
    }


def _bucket(root: str) -> dict[str, str]:
    """Return how a Spark Connect server reaches the lake's bucket; the keys to it must be the server's own."""
    scheme, _, rest = root.partition("://")
    if scheme != "s3":
        return {}
    return {f"fs.s3a.bucket.{rest.partition('/')[0]}.{name}": value for name, value in _s3().items()}


def _s3() -> dict[str, str]:
    """Return s3a's settings from the standard variables."""
    settings = {}
    if where := endpoint("s3"):
        secure = str(not where.startswith("http://")).lower()
        settings = {"endpoint": where, "path.style.access": "true", "connection.ssl.enabled": secure}
    if place := region() or (where and "us-east-1"):
        settings["endpoint.region"] = place
    return settings


@functools.cache
def _open(root: str, url: str) -> SparkSession:
    os.environ["TZ"] = "UTC"
    time.tzset()
    if url == "databricks":
        return _open_databricks(root)
    from dagster_pyspark import LazyPySparkResource

    config = spark_config(root, url)
    _silence()
    if url.startswith("sc://"):
        _check_reachable(url)
        _forget_sessions()
    else:
        _check_java()
        if url.startswith("spark://"):
            _check_reachable(url)
        # Executors run the Python that the driver names; the default is whichever is first on their path.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        # pyspark.sql.functions make the columns of a Connect session where this is set, as it is in a child of one.
        switch_off()
        _prepare(event_log_folder(root))
    session: SparkSession = LazyPySparkResource(spark_config=config).spark_session
    if url.startswith("sc://"):
        session.addArtifacts(str(_code()), pyfile=True)
    elif url.startswith("spark://"):
        session.sparkContext.addPyFile(str(_code()))
    return session


@functools.cache
def _code() -> Path:
    """Pack the code that tasks run, so that executors on other machines have it, and the same as this process."""
    archive = Path(tempfile.mkdtemp(prefix="lakehouse-code-"), "lakehouse-resources.zip")
    package = Path(__file__).parents[1]
    with zipfile.ZipFile(archive, "w") as packed:
        for module in sorted(package.rglob("*.py")):
            packed.write(module, module.relative_to(package.parent))
    return archive


def _open_databricks(root: str) -> SparkSession:
    try:
        from databricks.connect import DatabricksSession  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise SparkUnavailableError(
            "LAKEHOUSE_SPARK_URL=databricks needs Databricks Connect, which takes the place of pyspark: "
            "pip uninstall pyspark, then pip install databricks-connect in your cluster's version (docs/spark.md)"
        ) from error
    session: SparkSession = DatabricksSession.builder.getOrCreate()
    for name, value in spark_config(root, "databricks").items():
        session.conf.set(name, value)
    session.addArtifacts(str(_code()), pyfile=True)
    return session


def _silence() -> None:
    """Keep pyspark from printing an error, with pages of stack, before it raises it."""
    from pyspark.logger import PySparkLogger

    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).disabled = True


def _prepare(events: Path) -> None:
    """Make the folder of event logs, and throw away what nobody has written to for a week: each run leaves a file."""
    events.mkdir(parents=True, exist_ok=True)
    for log in events.iterdir():
        if log.stat().st_mtime < time.time() - _LOGS_KEPT:
            log.unlink(missing_ok=True)


def _forget_sessions() -> None:
    """Have pyspark open a session of our own: it would give back the one that is current, on whatever server."""
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    ConnectSession._default_session = None  # noqa: SLF001 - there is no public way
    ConnectSession._active_session.session = None  # noqa: SLF001


def _check_java() -> None:
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise SparkUnavailableError("Spark needs Java, 17 or newer, and there is none on the path; install a JDK")


def _check_reachable(url: str) -> None:
    """Fail within seconds where nobody listens; Spark would try for minutes."""
    for address in url.partition("://")[2].partition("/")[0].split(","):
        parts = urlsplit(f"//{address}")
        try:
            socket.create_connection((str(parts.hostname), parts.port), timeout=10).close()
        except OSError:
            continue
        return
    raise SparkUnavailableError(f"no Spark answers at {url}; start it, or set LAKEHOUSE_SPARK_URL to where it is")
