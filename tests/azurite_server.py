"""Azure's blob storage for tests: Azurite, Microsoft's emulator, which ``make azurite`` installs.

Without it the tests that want it are skipped, except in CI, where it is installed and a skip would hide that it is not.
"""

from __future__ import annotations

import base64
import functools
import hmac
import os
import urllib.request
import uuid
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path

import pytest

from lakehouse.storage.files import delete, write_bytes
from tests.processes import PROJECT
from tests.servers import in_environment, shared_server

AZURITE = PROJECT / ".tools" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Every Azurite's account and key: Microsoft's documentation has them."""


@dataclass(frozen=True)
class Container:
    """A container of the test's own.

    Attributes:
        environment: the variables that lead to it; they are set in this process, too.
    """

    name: str
    environment: dict[str, str]

    @property
    def uri(self) -> str:
        """The container as a location of the settings."""
        return f"abfss://{self.name}@{ACCOUNT}.dfs.core.windows.net"

    def put(self, key: str, body: bytes = b"") -> None:
        """Put an object."""
        write_bytes(f"{self.uri}/{key}", body)

    def delete(self, key: str) -> None:
        """Delete an object."""
        delete(f"{self.uri}/{key}")


@functools.cache
def azurite_environment(folder: Path) -> dict[str, str]:
    """Return the environment that leads to a run's Azurite, which is started if it is not there."""

    def command(port: int) -> list[str]:
        place = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder / "azurite-data")]
        return [str(AZURITE), *place, "--silent", "--skipApiVersionCheck", "--disableTelemetry"]

    port = shared_server(folder, "azurite", command)
    # Not by endpoint and key, as if it were Azure: Azurite cannot list from a key on, which delta-rs then asks for.
    return {
        "AZURE_STORAGE_USE_EMULATOR": "true",
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{port}",
    }


def new_container(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Container:
    """Return an empty container, with the environment leading there."""
    if not AZURITE.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("Azurite is not installed: make azurite")
    environment = azurite_environment(folder)
    in_environment(monkeypatch, "AZUR", environment)
    container = Container(f"test-{uuid.uuid4().hex}", environment)
    _create(container)
    return container


def _create(container: Container) -> None:
    """Create a container by Azure's REST interface: none of the libraries here does."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2023-11-03"}
    signed = [f"PUT{12 * chr(10)}", *[f"{name}:{value}\n" for name, value in headers.items()]]
    signed.append(f"/{ACCOUNT}/{ACCOUNT}/{container.name}\nrestype:container")
    digest = hmac.digest(base64.b64decode(_KEY), "".join(signed).encode(), "sha256")
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    address = f"{container.environment['AZURITE_BLOB_STORAGE_URL']}/{ACCOUNT}/{container.name}?restype=container"
    with urllib.request.urlopen(urllib.request.Request(address, method="PUT", headers=headers)) as answer:  # noqa: S310
        assert answer.status == HTTPStatus.CREATED
