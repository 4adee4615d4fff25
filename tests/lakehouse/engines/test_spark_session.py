"""The configuration of Spark sessions; that they open and work is shown where an engine runs on them."""

from __future__ import annotations

import os
import sys
import time
import zipfile

import pyarrow as pa
import pytest

from lakehouse.engines import spark_session
from lakehouse.engines.spark_session import (
    SparkUnavailableError,
    event_log_folder,
    open_session,
    spark_config,
    spark_path,
)
from tests.processes import PROJECT, free_port
from tests.servers import in_environment

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIA-the-id",
    "AWS_SECRET_ACCESS_KEY": "the-secret",
    "AWS_SESSION_TOKEN": "the-token",
    "AZURE_STORAGE_ACCOUNT_KEY": "the-account-key",
}
URLS = ["local[2]", "local[*]", "local", "spark://master:7077", "sc://server:15002", "databricks"]
OF_OUR_OWN = [url for url in URLS if url.startswith(("local", "spark"))]


@pytest.fixture(autouse=True)
def jars(tmp_path, monkeypatch):
    """A deployment with two jars, and an environment without clouds."""
    folder = tmp_path / "deploy" / "jars"
    folder.mkdir(parents=True)
    for name in ("b.jar", "a.jar", ".ready"):
        (folder / name).touch()
    monkeypatch.setattr(spark_session, "DEPLOY", tmp_path / "deploy")
    in_environment(monkeypatch, "AWS_", {})
    in_environment(monkeypatch, "AZURE_", {})
    return folder


# Locations


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("s3://bucket/lake", "s3a://bucket/lake"),
        ("s3a://bucket/lake", "s3a://bucket/lake"),
        ("abfss://c@a.dfs.core.windows.net/lake", "abfss://c@a.dfs.core.windows.net/lake"),
        ("/data/lake", "/data/lake"),
        ("/data/s3:/lake", "/data/s3:/lake"),
    ],
)
def test_a_location_of_s3_is_called_s3a_and_others_stay_as_they_are(uri, path):
    assert spark_path(uri) == path


def test_event_logs_lie_in_a_local_lake_and_beside_the_project_for_an_object_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert event_log_folder("/data/lake").as_posix() == "/data/lake/spark-events"
    assert event_log_folder("s3://bucket/lake") == tmp_path / ".lakehouse-s3" / "bucket" / "lake" / "spark-events"


# Every session


@pytest.mark.parametrize("url", URLS)
def test_every_session_counts_in_utc_and_refuses_what_does_not_fit(url):
    config = spark_config("/lake", url)
    assert config["spark.sql.session.timeZone"] == "UTC"
    assert config["spark.sql.ansi.enabled"] == "true"


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("root", ["/lake", "s3://bucket/lake", "abfss://c@a.dfs.core.windows.net/lake"])
def test_no_credential_gets_into_a_configuration(url, root, monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    told = repr(spark_config(root, url))
    assert not [value for value in SECRETS.values() if value in told]


@pytest.mark.parametrize("url", [url for url in URLS if url != "databricks"])
def test_spark_adapts_its_plans_and_writes_timestamps_that_every_reader_understands(url):
    config = spark_config("/lake", url)
    assert config["spark.sql.adaptive.enabled"] == "true"
    assert config["spark.sql.parquet.outputTimestampType"] == "TIMESTAMP_MICROS"


# An application of our own


@pytest.mark.parametrize("url", OF_OUR_OWN)
def test_a_master_gets_delta_and_its_jars(url, jars):
    config = spark_config("/lake", url)
    assert config["spark.master"] == url
    assert config["spark.jars"] == f"{jars / 'a.jar'},{jars / 'b.jar'}"
    assert config["spark.sql.extensions"] == "io.delta.sql.DeltaSparkSessionExtension"
    assert config["spark.sql.catalog.spark_catalog"] == "org.apache.spark.sql.delta.catalog.DeltaCatalog"
    assert "spark.remote" not in config


@pytest.mark.parametrize("url", OF_OUR_OWN)
def test_drivers_and_executors_live_in_utc(url):
    config = spark_config("/lake", url)
    for role in ("driver", "executor"):
        assert "-Duser.timezone=UTC" in config[f"spark.{role}.extraJavaOptions"]
    assert config["spark.executorEnv.TZ"] == "UTC"


def test_the_event_log_is_one_plain_file_in_the_lake():
    config = spark_config("/data/my lake", "local[2]")
    assert config["spark.eventLog.dir"] == "file:///data/my%20lake/spark-events"
    assert [config[f"spark.eventLog.{name}"] for name in ("enabled", "compress", "rolling.enabled")] == [
        "true",
        "false",
        "false",
    ]


@pytest.mark.parametrize(("url", "cores"), [("local", 1), ("local[3]", 3), ("local[*]", os.cpu_count())])
def test_on_one_machine_there_are_as_many_partitions_as_cores(url, cores):
    config = spark_config("/lake", url)
    assert config["spark.sql.shuffle.partitions"] == str(cores)
    assert config["spark.driver.host"] == config["spark.driver.bindAddress"] == "127.0.0.1"


def test_a_cluster_keeps_its_own_sizes_and_addresses():
    config = spark_config("/lake", "spark://master:7077")
    assert not {"spark.sql.shuffle.partitions", "spark.driver.host", "spark.driver.memory"} & set(config)


def test_without_jars_the_error_says_how_to_make_them(jars):
    (jars / ".ready").unlink()
    with pytest.raises(SparkUnavailableError, match="make spark"):
        spark_config("/lake", "local[2]")
    assert spark_config("/lake", "sc://server:15002")  # the server has its own


# Object stores


@pytest.mark.parametrize(("scheme", "store"), [("s3a", "S3"), ("file", "Local")])
def test_commits_are_safe_beside_other_writers(scheme, store):
    config = spark_config("/lake", "local[2]")
    assert config[f"spark.delta.logStore.{scheme}.impl"] == f"lakehouse.{store}ConditionalLogStore"


def test_amazon_itself_needs_no_setting_but_the_region(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    config = spark_config("s3://bucket/lake", "local[2]")
    assert {name: value for name, value in config.items() if "fs.s3a" in name} == {
        "spark.hadoop.fs.s3a.endpoint.region": "eu-west-1"
    }


@pytest.mark.parametrize(("endpoint", "tls"), [("http://127.0.0.1:9000", "false"), ("https://minio:9000", "true")])
def test_an_endpoint_is_used_with_buckets_in_its_path(monkeypatch, endpoint, tls):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    config = spark_config("s3://bucket/lake", "local[2]")
    assert {name.removeprefix("spark.hadoop.fs.s3a."): value for name, value in config.items() if "fs.s3a" in name} == {
        "endpoint": endpoint,
        "path.style.access": "true",
        "connection.ssl.enabled": tls,
        "endpoint.region": "us-east-1",
    }


def test_an_azure_account_key_is_read_from_the_environment_by_spark_itself(monkeypatch):
    assert "spark.hadoop.fs.azure.account.keyprovider" not in spark_config("/lake", "local[2]")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "the-account-key")
    config = spark_config("/lake", "local[2]")
    assert config["spark.hadoop.fs.azure.account.keyprovider"] == "lakehouse.EnvironmentKeyProvider"


# A server that is already there


def test_a_connect_server_gets_only_what_belongs_to_a_session():
    config = spark_config("/lake", "sc://server:15002")
    assert config.pop("spark.remote") == "sc://server:15002"
    assert all(name.startswith(("spark.sql.", "spark.databricks.")) for name in config)


def test_a_connect_server_is_told_where_the_lakes_bucket_is(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    config = spark_config("s3://bucket/lake", "sc://server:15002")
    assert config["fs.s3a.bucket.bucket.endpoint"] == "http://127.0.0.1:9000"
    assert config["fs.s3a.bucket.bucket.path.style.access"] == "true"


@pytest.mark.parametrize("scheme", ["sc", "spark"])
def test_where_nobody_listens_the_error_comes_at_once(scheme, tmp_path):
    url = f"{scheme}://127.0.0.1:{free_port()}"
    start = time.monotonic()
    with pytest.raises(SparkUnavailableError, match=f"no Spark answers at {url}.*LAKEHOUSE_SPARK_URL"):
        open_session(str(tmp_path), url)
    assert time.monotonic() - start < 15


def test_databricks_says_what_to_install(tmp_path):
    with pytest.raises(SparkUnavailableError, match="pip install databricks-connect"):
        open_session(str(tmp_path), "databricks")


def test_without_java_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SparkUnavailableError, match="Java"):
        open_session(str(tmp_path), "local[1]")


def test_executors_of_a_server_get_the_code_of_this_process(lake_root, spark_url):
    def found(batches):
        for _ in batches:
            yield pa.record_batch({"path": [path for path in sys.path if path.endswith("/lakehouse-resources.zip")]})

    session = open_session(str(lake_root), spark_url)
    (archive,) = session.range(0, 1, 1, 1).mapInArrow(found, "path string").collect()
    with zipfile.ZipFile(archive["path"]) as packed:
        code = packed.read("lakehouse/engines/base.py").decode()
    assert code == (PROJECT / "lakehouse" / "engines" / "base.py").read_text(encoding="utf-8")


def test_old_event_logs_are_thrown_away_when_a_session_opens(tmp_path, monkeypatch):
    events = event_log_folder(str(tmp_path))
    events.mkdir(parents=True)
    old, new = events / "old", events / "new.inprogress"
    for log in (old, new):
        log.touch()
    os.utime(old, (0, 0))
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")  # other tests' sessions need it
    monkeypatch.setattr("dagster_pyspark.LazyPySparkResource.spark_session", "a session")
    assert open_session(str(tmp_path), "local[1]") == "a session"
    assert [log.name for log in events.iterdir()] == ["new.inprogress"]
    assert "SPARK_CONNECT_MODE_ENABLED" not in os.environ
