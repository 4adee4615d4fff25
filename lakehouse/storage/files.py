"""Files of the lake by URI: where a table lies, atomic reads and writes of small files, how object stores are reached.

Belongs here: the mapping from names to locations and byte-level access under the root, on disk, in S3 and in Azure.
Tables' contents go through an engine; the landing zone has a room of its own, ``landing``.

Credentials are nowhere in here. Every library finds them in the standard variables (``AWS_ACCESS_KEY_ID``,
``AZURE_STORAGE_ACCOUNT_KEY`` ...) or has them from the machine's role, so that none can get into a log or a table.
"""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class StorageError(OSError):
    """An object store did not do as asked; the message names the location and what the store said."""


def is_local(location: str) -> bool:
    """Whether a location of the settings is a path on this machine."""
    return "://" not in location


def table_uri(root: str, table: str) -> str:
    """Return where a table lies: ``silver.transactions`` -> ``<root>/silver/transactions``."""
    layer, _, name = table.partition(".")
    return f"{root}/{layer}/{name}"


def delta_options(location: str) -> dict[str, str]:
    """Return delta-rs's storage options for a location: what the environment does not tell it. Empty for a path."""
    if is_local(location):
        return {}
    from dagster_deltalake import AzureConfig, S3Config
    from dagster_deltalake.config import ClientConfig

    scheme, _, rest = location.partition("://")
    store = (
        S3Config(region=region(), endpoint=endpoint(scheme))
        if scheme == "s3"
        else AzureConfig(account_name=rest.partition("@")[2].partition(".")[0])
    )
    return {**store.str_dict(), **ClientConfig(allow_http=_is_plain_http(scheme)).str_dict()}


def prepare_environment(location: str) -> None:
    """Tell this process' environment what an engine needs that reads only that, such as Sail."""
    scheme = location.partition("://")[0]
    if not is_local(location) and _is_plain_http(scheme):
        os.environ.setdefault({"s3": "AWS_ALLOW_HTTP", "abfss": "AZURE_ALLOW_HTTP"}[scheme], "true")


def region() -> str | None:
    """Return the AWS region, by either of its two usual variables."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def endpoint(scheme: str) -> str | None:
    """Return where a store is when it is not Amazon's or Microsoft's own."""
    return os.environ.get({"s3": "AWS_ENDPOINT_URL", "abfss": "AZURE_STORAGE_ENDPOINT"}[scheme])


def _is_plain_http(scheme: str) -> bool:
    """Whether the environment names an endpoint without TLS: one for tests, or inside a network."""
    return (endpoint(scheme) or "").startswith("http://")


def write_text(location: str, text: str) -> None:
    """Write a small file so that readers see the old content or the new, never a part."""
    write_bytes(location, text.encode())


def write_bytes(location: str, content: bytes | Path) -> None:
    """Write a file, or copy one from disk, so that readers see the old content or the new, never a part."""
    if is_local(location):
        path = Path(location)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        with temporary.open("wb") as file:
            file.write(content if isinstance(content, bytes) else content.read_bytes())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        return
    import obstore

    with opened(location) as (store, key):
        obstore.put(store, key, content)  # an object appears whole


def create_text(location: str, text: str) -> bool:
    """Write a small file that is not there yet, whole or not at all; say whether it is there with this text.

    Of many callers, each with a text of its own, one succeeds, even if the answer to its first attempt was lost.
    """
    if is_local(location):
        path = Path(location)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        write_text(str(temporary), text)
        try:
            path.hardlink_to(temporary)  # of all that try, one succeeds
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True
    import obstore
    from obstore.exceptions import AlreadyExistsError

    with opened(location) as (store, key):
        try:
            obstore.put(store, key, text.encode(), mode="create")
        except AlreadyExistsError:
            return read_text(location) == text
    return True


def read_text(location: str) -> str | None:
    """Return the content of a small file, or None where there is none."""
    try:
        if is_local(location):
            return Path(location).read_bytes().decode()
        import obstore

        with opened(location) as (store, key):
            return bytes(obstore.get(store, key).bytes()).decode()
    except FileNotFoundError:
        return None


def identity_of(location: str) -> str | None:
    """Return what tells a file apart from any other that has its place at another time; None where there is none."""
    try:
        if is_local(location):
            found = os.stat(location)  # noqa: PTH116 - a path's own takes three times as long, and this is asked often
            return f"{found.st_ino} {found.st_mtime_ns} {found.st_size}"
        import obstore

        with opened(location) as (store, key):
            about = obstore.head(store, key)
            return f"{about['e_tag']} {about['last_modified']}"
    except FileNotFoundError:
        return None


def delete(location: str) -> None:
    """Delete a small file; a missing one is fine."""
    if is_local(location):
        Path(location).unlink(missing_ok=True)
        return
    import obstore

    with opened(location) as (store, key):
        try:
            obstore.delete(store, key)
        except FileNotFoundError:  # S3 says nothing of it, Azure does
            return


def delete_below(location: str, keep: Collection[str] = ()) -> None:
    """Delete everything below a location except some paths from there, and the folders that are empty then."""
    for path in sizes_below(location):
        if path not in keep:
            delete(f"{location}/{path}")
    if is_local(location):
        for folder, *_ in os.walk(location, topdown=False):
            with suppress(OSError):  # it is not empty
                Path(folder).rmdir()


def names_below(location: str) -> list[str]:
    """Return the names of files and folders right below a location, in order; none where there is nothing."""
    if is_local(location):
        try:
            return sorted(os.listdir(location))  # noqa: PTH208 - names are all that is wanted
        except (FileNotFoundError, NotADirectoryError):
            return []
    import obstore

    with opened(location) as (store, key):
        found = obstore.list_with_delimiter(store, key)
    paths = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
    return sorted(path.rpartition("/")[2] for path in paths)


def sizes_below(location: str) -> dict[str, int]:
    """Return the files anywhere below a location, by their path from there, with their sizes in bytes."""
    if is_local(location):
        found = {}
        for folder, _, names in os.walk(location):
            for name in names:
                path = Path(folder, name)
                with suppress(FileNotFoundError):  # it was deleted at this moment
                    found[path.relative_to(location).as_posix()] = path.stat().st_size
        return found
    import obstore

    with opened(location) as (store, key):
        prefix = f"{key}/"
        pages = obstore.list(store, prefix)
        return {entry["path"].removeprefix(prefix): entry["size"] for page in pages for entry in page}


@contextmanager
def opened(location: str) -> Iterator[tuple[ObjectStore, str]]:
    """Open the store of a location; give it, and the key of the location in it.

    Raises:
        StorageError: the store refused something, or could not be reached; raised at the end of the block.
        FileNotFoundError: there is no such object.
    """
    from obstore.exceptions import BaseError

    scheme, _, rest = location.partition("://")
    host, _, key = rest.partition("/")
    try:
        yield _store(scheme, host), key
    except (BaseError, FileNotFoundError) as error:
        said = str(error)
        if any(code in said for code in ("NoSuchBucket", "ContainerNotFound")):
            raise StorageError(f"{location}: there is no such bucket or container; the lakehouse makes none") from error
        if isinstance(error, FileNotFoundError):
            raise
        raise StorageError(f"{location}: {said.partition(chr(10))[0]}") from error  # pages of debugging follow


@functools.cache
def _store(scheme: str, host: str) -> ObjectStore:
    """Return the store of a bucket or container; a connection pool, so one for all that is asked of it."""
    from obstore.store import from_url

    return from_url(f"{scheme}://{host}", client_options={"allow_http": _is_plain_http(scheme)})
