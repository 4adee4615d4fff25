"""Small files of the lake: written whole or not at all, on disk and in every object store."""

from __future__ import annotations

import os
import threading

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakehouse.storage.files import (
    StorageError,
    create_text,
    delete,
    delete_below,
    delta_options,
    is_local,
    names_below,
    prepare_environment,
    read_text,
    sizes_below,
    table_uri,
    write_bytes,
    write_text,
)
from tests.azurite_server import new_container
from tests.s3_server import SERVERS, new_bucket


@pytest.fixture(params=["disk", *SERVERS, "azurite"])
def place(request, lake_root, run_folder, monkeypatch) -> str:
    """The root of an empty lake, on disk and in every object store there is."""
    if request.param == "disk":
        return str(lake_root)
    if request.param == "azurite":
        return f"{new_container(run_folder, monkeypatch).uri}/some/lake"
    return f"{new_bucket(run_folder, request.param, monkeypatch).uri}/some/lake"


def test_a_location_with_a_scheme_is_not_local():
    assert is_local("/data/lake")
    assert not is_local("s3://bucket/lake")


def test_a_table_lies_in_the_folder_of_its_layer():
    assert table_uri("s3://bucket/lake", "silver.transactions") == "s3://bucket/lake/silver/transactions"


def test_what_is_written_is_read_back(place):
    location = f"{place}/system/manifests/söme 1%.json"
    write_text(location, "first")
    write_text(location, "sécond 雪")
    assert read_text(location) == "sécond 雪"


def test_a_file_of_the_disk_is_copied_whole(place, tmp_path):
    (tmp_path / "some.csv").write_bytes(b"some bytes")
    write_bytes(f"{place}/landing/copied.csv", tmp_path / "some.csv")
    assert read_text(f"{place}/landing/copied.csv") == "some bytes"


def test_writing_leaves_nothing_beside_the_file(lake_root):
    write_text(str(lake_root / "some.json"), "text")
    assert [path.name for path in lake_root.iterdir()] == ["some.json"]


def test_of_many_that_create_a_file_one_succeeds(place):
    location = f"{place}/system/next.json"
    write_text(f"{place}/system/other.json", "other")
    succeeded = []
    writers = [
        threading.Thread(target=lambda n=n: succeeded.append(n) if create_text(location, str(n)) else None)
        for n in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [read_text(location)] == [str(n) for n in succeeded]
    assert names_below(f"{place}/system") == ["next.json", "other.json"]


def test_everything_below_a_folder_is_told_and_deleted(place):
    for name in ("some/a.txt", "some/deep/ü 1%.txt", "some/deep/b.txt", "something.txt"):
        write_text(f"{place}/{name}", "four")
    assert sizes_below(f"{place}/some") == {"a.txt": 4, "deep/ü 1%.txt": 4, "deep/b.txt": 4}
    delete_below(f"{place}/some", keep={"deep/b.txt"})
    assert sizes_below(place) == {"some/deep/b.txt": 4, "something.txt": 4}
    delete_below(f"{place}/some")
    assert names_below(place) == ["something.txt"]
    assert sizes_below(f"{place}/nothing") == {}


def test_a_missing_file_reads_as_none_and_can_be_deleted_again(place):
    location = f"{place}/some.json"
    assert read_text(location) is None
    write_text(location, "text")
    delete(location)
    delete(location)
    assert read_text(location) is None


def test_a_write_that_fails_leaves_the_old_content(place):
    location = f"{place}/some.json"
    write_text(location, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(location, "new \udcff")
    assert read_text(location) == "old"


def test_readers_never_see_a_part(place):
    location = f"{place}/some.json"
    contents = {letter * 200_000 for letter in "ab"}
    write_text(location, min(contents))
    writer = threading.Thread(target=lambda: [write_text(location, text) for text in sorted(contents) * 20])
    writer.start()
    while writer.is_alive():
        assert read_text(location) in contents
    writer.join()


def test_what_lies_right_below_a_location_is_named(place):
    assert names_below(place) == []
    for key in ("silver/products/part.parquet", "silver/customers/_delta_log/0.json", "silver/note.txt"):
        write_text(f"{place}/{key}", "text")
    assert names_below(f"{place}/silver") == ["customers", "note.txt", "products"]
    assert names_below(f"{place}/silver/note.txt") == []
    assert names_below(f"{place}/gold") == []


def test_an_unreachable_store_is_one_sentence_with_the_location(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    with pytest.raises(StorageError, match=r"^s3://unreachable/some\.json: .+$") as refused:
        read_text("s3://unreachable/some.json")
    assert "geheim" not in str(refused.value)


@pytest.mark.skipif("minio" not in SERVERS, reason="moto lets anybody in; make minio")
@pytest.mark.parametrize("s3", ["minio"], indirect=True)
def test_a_wrong_secret_is_told_and_not_shown(s3, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    with pytest.raises(StorageError, match="403 Forbidden") as refused:
        write_text(f"{s3.uri}/some.json", "text")
    assert "geheim" not in str(refused.value)


def test_delta_rs_finds_tables_by_the_options_and_the_environment_alone(place):
    uri, table = table_uri(place, "silver.numbers"), pa.table({"number": [1]})
    write_deltalake(uri, table, storage_options=delta_options(uri))
    assert DeltaTable(uri, storage_options=delta_options(uri)).to_pyarrow_table() == table


def test_delta_rs_options_hold_no_secret(place):
    options = delta_options(place)
    assert not {"secret_access_key", "access_key_id", "account_key", "sas_key", "token"} & options.keys()
    for name, value in os.environ.items():
        if name.endswith(("_KEY", "_SECRET_ACCESS_KEY", "_KEY_ID")):
            assert value not in options.values()
    assert (options == {}) == is_local(place)


@pytest.mark.parametrize(
    ("endpoint", "allowed"), [("http://store:9000", "true"), ("https://store:9000", None), (None, None)]
)
def test_plain_http_is_allowed_only_where_the_endpoint_asks_for_it(monkeypatch, endpoint, allowed):
    monkeypatch.delenv("AWS_ALLOW_HTTP", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    environment = dict(os.environ)
    monkeypatch.setattr(os, "environ", environment)
    prepare_environment("/data/lake")
    assert "AWS_ALLOW_HTTP" not in environment
    prepare_environment("s3://bucket/lake")
    assert environment.get("AWS_ALLOW_HTTP") == allowed
    assert delta_options("s3://bucket/lake")["allow_http"] == str(bool(allowed))
