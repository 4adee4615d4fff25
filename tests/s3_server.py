"""An S3 service for tests: moto's server always, and MinIO, which is a real one, where ``make minio`` has built it.

Both run in processes of their own: delta-rs holds Python back while it looks for a table.
"""

from __future__ import annotations

import functools
import sys
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.processes import PROJECT, wait_for
from tests.servers import in_environment, shared_server

MINIO = PROJECT / ".tools" / "minio"
SERVERS = ["moto", *(["minio"] if MINIO.exists() else [])]
_KEY, _SECRET = "minioadmin", "minioadmin"  # what MinIO starts with; moto takes any


@dataclass(frozen=True)
class Bucket:
    """A bucket of the test's own.

    Attributes:
        environment: the variables that lead to it; they are set in this process, too.
        client: boto3's.
    """

    name: str
    environment: dict[str, str]
    client: Any = field(repr=False)

    @property
    def uri(self) -> str:
        """The bucket as a location of the settings."""
        return f"s3://{self.name}"

    def put(self, key: str, body: bytes = b"") -> None:
        """Put an object."""
        self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def put_all(self, keys: Iterable[str]) -> None:
        """Put an object of one byte under each key, many at a time."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: self.put(key, b"x"), keys))

    def delete(self, key: str) -> None:
        """Delete an object."""
        self.client.delete_object(Bucket=self.name, Key=key)


@functools.cache
def s3_environment(folder: Path, server: str = "moto") -> dict[str, str]:
    """Return the environment that leads to a run's S3 service, which is started if it is not there."""

    def command(port: int) -> list[str]:
        if server == "minio":
            return [str(MINIO), "server", "--quiet", "--address", f"127.0.0.1:{port}", str(folder / "minio")]
        return [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]

    port = shared_server(folder, server, command)
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_REGION": "us-east-1",
    }


def new_bucket(folder: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Return an empty bucket, with the environment leading there."""
    environment = s3_environment(folder, server)
    in_environment(monkeypatch, "AWS_", environment)
    client = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"], region_name=environment["AWS_REGION"])
    bucket = Bucket(f"test-{uuid.uuid4().hex}", environment, client)
    wait_for("the S3 service to answer", lambda: _made(bucket))
    return bucket


def _made(bucket: Bucket) -> bool:
    try:
        bucket.client.create_bucket(Bucket=bucket.name)
    except (BotoCoreError, ClientError):  # MinIO listens before it is ready
        return False
    return True
