"""The bundle for Databricks says what a session there is told too, and holds nothing of an account.

It has never been deployed: there was no account to do it with.
"""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

from lakehouse.engines.spark_session import spark_config
from tests.processes import PROJECT

BUNDLE = PROJECT / "deploy" / "databricks" / "databricks.yml"


@pytest.fixture
def bundle() -> dict:
    return yaml.safe_load(BUNDLE.read_text(encoding="utf-8"))


@pytest.fixture
def cluster(bundle) -> dict:
    return bundle["resources"]["clusters"]["lakehouse"]


def test_every_variable_that_is_used_is_declared(bundle):
    used = set(re.findall(r"\$\{var\.(\w+)\}", BUNDLE.read_text(encoding="utf-8")))
    assert used == set(bundle["variables"])


def test_the_cluster_and_the_session_agree(cluster):
    for name, value in spark_config("s3://bucket/lake", "databricks").items():
        assert cluster["spark_conf"][name] == value
    assert cluster["spark_env_vars"]["TZ"] == "UTC"


def test_the_cluster_runs_spark_4_grows_within_bounds_and_ends_by_itself(bundle, cluster):
    assert int(bundle["variables"]["spark_version"]["default"].partition(".")[0]) >= 17
    assert cluster["autoscale"]["min_workers"] <= bundle["variables"]["most_workers"]["default"]
    assert 0 < cluster["autotermination_minutes"] <= 60


def test_executors_get_the_packages_that_tasks_import_in_the_projects_versions(cluster):
    (script,) = (
        BUNDLE.parent / script["workspace"]["destination"].removeprefix("${workspace.file_path}/")
        for script in cluster["init_scripts"]
    )
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = set(re.findall(r'^  "(.+)"', script.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(packages) == 2
    assert packages <= set(project["dependencies"])


def test_the_bundle_names_no_account_host_or_token():
    assert not re.search(r"https?://|token|secret|host:|dapi", BUNDLE.read_text(encoding="utf-8"), re.IGNORECASE)


def test_there_is_one_default_target(bundle):
    assert [name for name, target in bundle["targets"].items() if target.get("default")] == ["dev"]
