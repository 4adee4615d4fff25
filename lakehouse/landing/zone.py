"""The landing zone: which objects sources have dropped, and how to open one.

Belongs here: listing and opening landing objects on disk, on S3 and on ADLS, and the one rule that reads a source and a
landing date out of a key. What a file contains is for ``reader``; what is done with it, for ``ingestion``.
"""

from __future__ import annotations

import datetime as dt
import errno
import functools
import os
import re
import shutil
import stat
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from lakehouse.storage.files import StorageError, endpoint, is_local, opened, region

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY = re.compile(
    r"""(?P<source>[a-z][a-z0-9_]*)/
        (?: dt=(?P<folder>\d{4}-\d{2}-\d{2})/(?:[^/]+/)*[^/.][^/]*?
          | (?P<name>\d{4}-\d{2}-\d{2})[^/]*? )
        \.(?:csv|csv\.gz|jsonl|jsonl\.gz|parquet)""",
    re.VERBOSE,
)
CONTROL_SUFFIX = ".control"
"""What a control file's name has after the landing file's."""
_LEADS_NOWHERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


@dataclass(frozen=True, order=True)
class LandingObject:
    """One object as listed: its key below the landing root, and what tells a changed object from an unchanged one.

    Attributes:
        modified: when the object appeared or was last written, UTC.
        key: ``<source>/<rest>``; the name of the file in every table.
        etag: changes whenever the content does (a store's own; on disk size, time of the last write and inode).
        size: bytes.
    """

    modified: dt.datetime
    key: str
    etag: str
    size: int


@dataclass(frozen=True)
class Route:
    """Where a landing key belongs."""

    source: str
    landing_date: dt.date


def route(key: str) -> Route | None:
    """Read source and landing date out of a key, or None where it names neither or no table could hold it."""
    match = _KEY.fullmatch(key)
    if match is None or any("\ud800" <= letter <= "\udfff" for letter in key):  # bytes of a name that are not UTF-8
        return None
    try:
        return Route(match["source"], dt.date.fromisoformat(match["folder"] or match["name"]))
    except ValueError:
        return None


class Landing(Protocol):
    """A landing zone; keys are relative to its root."""

    def objects(self, prefix: str) -> Iterator[LandingObject]:
        """List the objects whose key starts with ``prefix``, in any order, hidden files left out."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Open an object for buffered, seekable reading.

        Raises:
            FileNotFoundError: it is gone.
        """
        ...

    def etag(self, key: str) -> str | None:
        """Return the etag an object has now, or None where it is gone."""
        ...


def _is_hidden(key: str) -> bool:
    """Whether an object is none to take in: hidden, or what is announced of another (``control_totals``)."""
    return key.endswith(CONTROL_SUFFIX) or any(part.startswith((".", "_")) for part in key.split("/"))


class LocalLanding:
    """A landing zone on this machine's disk."""

    def __init__(self, root: str) -> None:
        """Take the absolute path of the zone; it need not exist yet."""
        self._root = Path(root)

    def objects(self, prefix: str) -> Iterator[LandingObject]:
        """List files below the root; what vanishes meanwhile, and what is no file, is left out."""
        return self._below(prefix.rpartition("/")[0], prefix, arrived=0.0)

    def _below(self, folder: str, prefix: str, arrived: float) -> Iterator[LandingObject]:
        """List a folder, which came in at some time together with all it holds."""
        try:
            paths = sorted((self._root / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return
        for path in paths:
            key = f"{folder}/{path.name}" if folder else path.name
            found = _stat(path) if _may_match(key, prefix) and not _is_hidden(key) else None
            if found is None:
                continue
            if stat.S_ISDIR(found.st_mode):
                # A folder moved in whole keeps its files' times, only its own changes; a source's changes all the time.
                yield from self._below(key, prefix, max(arrived, found.st_ctime) if "/" in key else 0.0)
            elif stat.S_ISREG(found.st_mode) and key.startswith(prefix):
                # A file that was moved in keeps the time of its last write, but not that of its last change.
                appeared = dt.datetime.fromtimestamp(max(found.st_ctime, arrived), tz=dt.UTC)
                yield LandingObject(appeared, key, _local_etag(found), found.st_size)

    def open(self, key: str) -> BinaryIO:
        """Open a file."""
        return (self._root / key).open("rb")

    def etag(self, key: str) -> str | None:
        """Return the etag a file has now."""
        try:
            return _local_etag((self._root / key).stat())
        except FileNotFoundError:
            return None


def _stat(path: Path) -> os.stat_result | None:
    """Look at what a path leads to; None where that is nothing, or a folder by way of a link, which may be a loop."""
    try:
        found = path.lstat()
        if not stat.S_ISLNK(found.st_mode):
            return found
        found = path.stat()
    except OSError as error:
        if error.errno in _LEADS_NOWHERE:
            return None
        raise
    return None if stat.S_ISDIR(found.st_mode) else found


def _local_etag(found: os.stat_result) -> str:
    return f"{found.st_size:x}-{found.st_mtime_ns:x}-{found.st_ino:x}"


def _may_match(key: str, prefix: str) -> bool:
    """Whether a key, or one below it, can start with the prefix."""
    return key.startswith(prefix) or prefix.startswith(f"{key}/")


def _bare(etag: str | None) -> str:
    """Return an etag without quotes: some answers have it in quotes, some do not."""
    return str(etag).strip('"')


class S3Landing:
    """A landing zone in an S3 bucket."""

    def __init__(self, uri: str, client: Any) -> None:
        """Take ``s3://bucket/prefix`` and a boto3 S3 client (``dagster_aws`` S3Resource's)."""
        self._uri = uri
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._client = client

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process without the client: that one opens its own."""
        return open_landing, (self._uri,)

    def objects(self, prefix: str) -> Iterator[LandingObject]:
        """List objects page by page."""
        with self._told():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=f"{self._prefix}{prefix}"
            )
            for page in pages:
                for entry in page.get("Contents", []):
                    key = entry["Key"].removeprefix(self._prefix)
                    if not key.endswith("/") and not _is_hidden(key):
                        yield LandingObject(entry["LastModified"], key, _bare(entry["ETag"]), entry["Size"])

    def open(self, key: str) -> BinaryIO:
        """Fetch an object, as it is now, into a temporary file."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        try:
            with self._told():
                body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"]
                shutil.copyfileobj(body, file, 8 << 20)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{key} is no longer in {self._uri}") from error
        file.seek(0)
        return cast("BinaryIO", file)

    def etag(self, key: str) -> str | None:
        """Return the etag an object has now."""
        try:
            with self._told():
                return _bare(self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)["ETag"])
        except FileNotFoundError:
            return None

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say of errors which landing zone they are about: boto3 does not."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:  # the latter: a HEAD has no more to say
                raise FileNotFoundError from error
            raise StorageError(f"{self._uri}: {error}") from error
        except BotoCoreError as error:
            raise StorageError(f"{self._uri}: {error}") from error


class AdlsLanding:
    """A landing zone in a container of ADLS."""

    def __init__(self, uri: str) -> None:
        """Take ``abfss://container@account.dfs.core.windows.net/prefix``; nothing is opened yet."""
        self._uri = uri

    def objects(self, prefix: str) -> Iterator[LandingObject]:
        """List objects page by page; the store lists whole folders, so those of the prefix's are sorted out here."""
        import obstore

        folder = prefix.rpartition("/")[0]
        with opened(self._uri) as (store, root):
            for page in obstore.list(store, f"{root}/{folder}".strip("/")):
                for entry in page:
                    key = entry["path"].removeprefix(root).removeprefix("/")
                    if key.startswith(prefix) and not _is_hidden(key):
                        yield LandingObject(entry["last_modified"], key, _bare(entry["e_tag"]), entry["size"])

    def open(self, key: str) -> BinaryIO:
        """Fetch an object, as it is now, into a temporary file."""
        import obstore

        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        with opened(f"{self._uri}/{key}") as (store, place):
            for part in obstore.get(store, place):
                file.write(part)
        file.seek(0)
        return cast("BinaryIO", file)

    def etag(self, key: str) -> str | None:
        """Return the etag an object has now."""
        import obstore

        try:
            with opened(f"{self._uri}/{key}") as (store, place):
                return _bare(obstore.head(store, place)["e_tag"])
        except FileNotFoundError:
            return None


def open_landing(location: str) -> Landing:
    """Open the landing zone the settings name."""
    if is_local(location):
        return LocalLanding(location)
    return S3Landing(location, s3_client()) if location.startswith("s3://") else AdlsLanding(location)


def s3_client() -> Any:
    """Return the S3 client of the standard AWS environment, through ``dagster_aws``."""
    return _s3_client(endpoint("s3"), region())


@functools.cache
def _s3_client(address: str | None, place: str | None) -> Any:
    """Make a client, which costs half a second; threads may share it, and it renews what expires."""
    from dagster_aws.s3 import S3Resource

    return S3Resource(endpoint_url=address, region_name=place).get_client()
