"""Settings: from the environment, validated, with errors that name the variable."""

from __future__ import annotations

import datetime as dt
import traceback
from pathlib import Path

import pytest

from lakehouse.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    """Only what a test sets; relative paths start in an empty folder."""
    for name in ("ROOT", "LANDING", "START_DATE", "ENGINE", "SPARK_URL"):
        monkeypatch.delenv(f"LAKEHOUSE_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_without_any_variable_the_lake_lies_in_the_working_folder(tmp_path):
    settings = Settings.load()
    assert settings.root == str(tmp_path / ".lakehouse")
    assert settings.landing == str(tmp_path / ".lakehouse" / "landing")
    assert settings.start_date == dt.date(2010, 12, 1)
    assert (settings.engine, settings.spark_url) == ("sail", "local[*]")


def test_the_environment_decides(monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_ROOT", "/data/lake")
    monkeypatch.setenv("LAKEHOUSE_LANDING", "s3://bucket/landing/")
    monkeypatch.setenv("LAKEHOUSE_START_DATE", "2020-02-29")
    settings = Settings.load()
    assert (settings.root, settings.landing) == ("/data/lake", "s3://bucket/landing")
    assert settings.start_date == dt.date(2020, 2, 29)


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("/data/lake/", "/data/lake"),
        ("/data/../lake", "/lake"),
        ("file:///data/lake", "/data/lake"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/lake/", "s3://bucket/lake"),
        ("s3://bucket//lake", "s3://bucket/lake"),
        ("s3a://bucket/lake", "s3://bucket/lake"),
        (
            "abfss://retail@account1.dfs.core.windows.net/lake/",
            "abfss://retail@account1.dfs.core.windows.net/lake",
        ),
        ("  /data/lake ", "/data/lake"),
        ("~/lake", str(Path("~/lake").expanduser())),
    ],
)
def test_a_location_is_a_path_or_a_uri(monkeypatch, given, root):
    monkeypatch.setenv("LAKEHOUSE_ROOT", given)
    settings = Settings.load()
    assert settings.root == root
    assert settings.landing == f"{root}/landing"


def test_a_relative_path_starts_in_the_working_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("LAKEHOUSE_ROOT", "some/lake")
    assert Settings.load().root == str(tmp_path / "some/lake")


def test_empty_variables_count_as_unset(monkeypatch, tmp_path):
    monkeypatch.setenv("LAKEHOUSE_ROOT", "")
    monkeypatch.setenv("LAKEHOUSE_LANDING", "")
    assert Settings.load().landing == str(tmp_path / ".lakehouse" / "landing")


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("LAKEHOUSE_ROOT", "ftp://host/lake", "known are file, s3, s3a, abfss and plain paths"),
        ("LAKEHOUSE_ROOT", "s3://", "nothing after its scheme"),
        ("LAKEHOUSE_ROOT", "file://host/lake", "absolute"),
        ("LAKEHOUSE_ROOT", "s3:///lake", "names no bucket"),
        ("LAKEHOUSE_ROOT", "s3://My_Bucket/lake", "names no bucket"),
        ("LAKEHOUSE_ROOT", "abfss://retail/lake", "names no container and account"),
        ("LAKEHOUSE_ROOT", "abfss://retail@account1/lake", "names no container and account"),
        ("LAKEHOUSE_LANDING", "gs://bucket/landing", "known are file, s3, s3a, abfss and plain paths"),
        ("LAKEHOUSE_START_DATE", "yesterday", "date"),
        ("LAKEHOUSE_START_DATE", "2999-01-01", "lies in the future"),
        ("LAKEHOUSE_ENGINE", "flink", "'sail' or 'spark'"),
        ("LAKEHOUSE_SPARK_URL", "yarn", "is no Spark; give local, local[4]"),
        ("LAKEHOUSE_SPARK_URL", "local[0]", "is no Spark"),
        ("LAKEHOUSE_SPARK_URL", "spark://host", "is no Spark"),
        ("LAKEHOUSE_SPARK_URL", "sc://host", "is no Spark"),
    ],
)
def test_an_unusable_variable_is_named_with_its_value_and_what_it_should_hold(monkeypatch, variable, value, told):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"{variable}: ")
    assert told in line
    assert repr(value) in line


@pytest.mark.parametrize(
    ("variable", "value", "instead"),
    [
        ("LAKEHOUSE_ROOT", "s3://key:geheim@bucket/lake", "AWS variables"),
        ("LAKEHOUSE_SPARK_URL", "sc://host:443/;use_ssl=true;token=geheim", "SPARK_CONNECT_AUTHENTICATE_TOKEN"),
    ],
)
def test_a_secret_in_a_setting_is_refused_and_not_repeated(monkeypatch, variable, value, instead):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert instead in str(refused.value)
    assert "geheim" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    "url",
    [
        "local",
        "local[4]",
        "local[*]",
        "spark://master:7077",
        "spark://one:7077,two:7077",
        "sc://127.0.0.1:15002",
        "sc://host:443/;use_ssl=true",
        "databricks",
    ],
)
def test_spark_is_a_master_a_connect_server_or_databricks(monkeypatch, url):
    monkeypatch.setenv("LAKEHOUSE_ENGINE", "spark")
    monkeypatch.setenv("LAKEHOUSE_SPARK_URL", url)
    settings = Settings.load()
    assert (settings.engine, settings.spark_url) == ("spark", url)


@pytest.mark.parametrize(
    ("root", "home"),
    [
        ("/data/lake", "/data/lake/dagster"),
        ("s3://bucket/lake", ".lakehouse-s3/bucket/lake/dagster"),
        ("s3://bucket/other", ".lakehouse-s3/bucket/other/dagster"),
        (
            "abfss://retail@account1.dfs.core.windows.net/lake",
            ".lakehouse-abfss/retail@account1.dfs.core.windows.net/lake/dagster",
        ),
    ],
)
def test_every_lake_has_a_dagster_home_of_its_own_on_disk(monkeypatch, tmp_path, root, home):
    monkeypatch.setenv("LAKEHOUSE_ROOT", root)
    assert Settings.load().dagster_home == tmp_path / home


def test_every_unusable_variable_has_a_line(monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_ROOT", "ftp://host/lake")
    monkeypatch.setenv("LAKEHOUSE_START_DATE", "soon")
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == [
        "LAKEHOUSE_ROOT",
        "LAKEHOUSE_START_DATE",
    ]


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().root = "/elsewhere"
