"""Object stores as fixtures: each test gets a bucket or container to itself, and the environment that leads there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.azurite_server import Container, new_container
from tests.s3_server import SERVERS, Bucket, new_bucket


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory) -> Path:
    """The folder of this run, the same in every process of it."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(params=SERVERS)
def s3(request, run_folder, monkeypatch) -> Bucket:
    """An empty bucket, on every S3 service there is."""
    return new_bucket(run_folder, request.param, monkeypatch)


@pytest.fixture
def adls(run_folder, monkeypatch) -> Container:
    """An empty container."""
    return new_container(run_folder, monkeypatch)


@pytest.fixture(params=[*SERVERS, "azurite"])
def remote(request, run_folder, monkeypatch) -> Bucket | Container:
    """An empty bucket or container, on every object store there is."""
    if request.param == "azurite":
        return new_container(run_folder, monkeypatch)
    return new_bucket(run_folder, request.param, monkeypatch)
