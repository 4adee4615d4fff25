"""Settings: from the environment, validated, with errors that name the variable."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from resources.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    """Only what a test sets; relative paths start in an empty folder."""
    for name in ("ROOT", "LANDING", "START_DATE"):
        monkeypatch.delenv(f"LAKEHOUSE_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_without_any_variable_the_lake_lies_in_the_working_folder(tmp_path):
    settings = Settings.load()
    assert settings.root == str(tmp_path / ".lakehouse")
    assert settings.landing == str(tmp_path / ".lakehouse" / "landing")
    assert settings.start_date == dt.date(2010, 12, 1)


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
        ("LAKEHOUSE_ROOT", "ftp://host/lake", "known are file, s3 and plain paths"),
        ("LAKEHOUSE_ROOT", "s3://", "nothing after its scheme"),
        ("LAKEHOUSE_ROOT", "file://host/lake", "absolute"),
        ("LAKEHOUSE_LANDING", "gs://bucket/landing", "known are file, s3 and plain paths"),
        ("LAKEHOUSE_START_DATE", "yesterday", "date"),
        ("LAKEHOUSE_START_DATE", "2999-01-01", "lies in the future"),
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
