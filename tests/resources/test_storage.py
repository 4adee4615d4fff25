"""Small files of the lake: written whole or not at all."""

from __future__ import annotations

import threading

import pytest

from resources.storage import delete, is_local, read_text, table_uri, write_text


def test_a_location_with_a_scheme_is_not_local():
    assert is_local("/data/lake")
    assert not is_local("s3://bucket/lake")


def test_a_table_lies_in_the_folder_of_its_layer():
    assert table_uri("s3://bucket/lake", "silver.transactions") == "s3://bucket/lake/silver/transactions"


def test_what_is_written_is_read_back(lake_root):
    location = str(lake_root / "system" / "manifests" / "some.json")
    write_text(location, "first")
    write_text(location, "sécond 雪")
    assert read_text(location) == "sécond 雪"


def test_writing_leaves_nothing_beside_the_file(lake_root):
    write_text(str(lake_root / "some.json"), "text")
    assert [path.name for path in lake_root.iterdir()] == ["some.json"]


def test_a_missing_file_reads_as_none_and_can_be_deleted_again(lake_root):
    location = str(lake_root / "some.json")
    assert read_text(location) is None
    write_text(location, "text")
    delete(location)
    delete(location)
    assert read_text(location) is None


def test_a_write_that_fails_leaves_the_old_content(lake_root):
    location = str(lake_root / "some.json")
    write_text(location, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(location, "new \udcff")
    assert read_text(location) == "old"


def test_readers_never_see_a_part(lake_root):
    location = str(lake_root / "some.json")
    contents = {letter * 200_000 for letter in "ab"}
    write_text(location, min(contents))
    writer = threading.Thread(target=lambda: [write_text(location, text) for text in sorted(contents) * 20])
    writer.start()
    while writer.is_alive():
        assert read_text(location) in contents
    writer.join()
