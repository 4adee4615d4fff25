"""The landing zone: what a key says, and what is listed on disk and on S3."""

from __future__ import annotations

import datetime as dt
import os
import pickle
import shutil
from pathlib import Path

import pytest

from lakehouse.landing.zone import LandingObject, LocalLanding, Route, S3Landing, open_landing, route
from lakehouse.storage.files import StorageError
from tests.scenario import drop

LONG_AGO = dt.datetime(2011, 3, 1, tzinfo=dt.UTC).timestamp()


@pytest.mark.parametrize(
    ("key", "source", "landing_date"),
    [
        ("transactions/2011-03-01.csv", "transactions", "2011-03-01"),
        ("transactions/2011-03-01.csv.gz", "transactions", "2011-03-01"),
        ("transactions/2011-03-01_late part 2.csv", "transactions", "2011-03-01"),
        ("transactions/2011-03-01.v2.csv", "transactions", "2011-03-01"),
        ("customers/2011-03-01T10:00.jsonl", "customers", "2011-03-01"),
        ("customers/2011-03-01.jsonl.gz", "customers", "2011-03-01"),
        ("products/dt=2011-03-01/any.parquet", "products", "2011-03-01"),
        ("products/dt=2011-03-01/hour=10/any.parquet", "products", "2011-03-01"),
        ("products/dt=2011-03-01/2012-01-01.parquet", "products", "2011-03-01"),
        ("products/dt=2012-02-29/ünï 雪.parquet", "products", "2012-02-29"),
        ("store_2_sales/2011-03-01.csv", "store_2_sales", "2011-03-01"),
    ],
)
def test_a_key_names_its_source_and_landing_date(key, source, landing_date):
    assert route(key) == Route(source, dt.date.fromisoformat(landing_date))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "2011-03-01.csv",
        "transactions",
        "transactions/",
        "transactions/march.csv",
        "transactions/2011-13-01.csv",
        "transactions/2011-02-29.csv",
        "transactions/2011-3-1.csv",
        "transactions/20110301.csv",
        "transactions/\N{ARABIC-INDIC DIGIT TWO}011-03-01.csv",
        "transactions/0000-01-01.csv",
        "transactions/2011-03-01.txt",
        "transactions/2011-03-01.CSV",
        "transactions/2011-03-01.csv.tmp",
        "transactions/2011-03-01.csv.gz.part",
        "transactions/2011-03-01.parquet.gz",
        "transactions/2011-03-01",
        "transactions/2011-03-01/part.csv",
        "transactions/archive/2011-03-01.csv",
        "transactions/.2011-03-01.csv",
        "transactions/dt=2011-03-01.csv",
        "transactions/dt=2011-03-01/.csv",
        "transactions/dt=2011-03-01/.part.csv",
        "transactions/dt=2011-02-30/part.csv",
        "transactions/dt=20110301/part.csv",
        "Transactions/2011-03-01.csv",
        "my-source/2011-03-01.csv",
        "transactions/2011-03-01.csv\n",
        "transactions/2011-03-01\udcff.csv",
        "/transactions/2011-03-01.csv",
    ],
)
def test_a_key_that_names_no_source_or_date_is_not_routed(key):
    assert route(key) is None


def keys(found) -> list[str]:
    return sorted(landed.key for landed in found)


def test_a_zone_that_does_not_exist_yet_is_empty(tmp_path):
    assert list(LocalLanding(str(tmp_path / "none")).objects("transactions/")) == []


def test_files_are_listed_by_prefix_with_size_and_etag(landing_root):
    for key in ("transactions/2011-03-01.csv", "transactions/dt=2011-03-01/a b/ünï 雪.csv", "customers/x.jsonl"):
        drop(landing_root, key, b"12345")
    landing = LocalLanding(str(landing_root))

    assert keys(landing.objects("transactions/")) == [
        "transactions/2011-03-01.csv",
        "transactions/dt=2011-03-01/a b/ünï 雪.csv",
    ]
    assert keys(landing.objects("transactions/2011-03")) == ["transactions/2011-03-01.csv"]
    assert keys(landing.objects("transactions/dt=2011-03-01")) == ["transactions/dt=2011-03-01/a b/ünï 雪.csv"]
    assert keys(landing.objects("transactions/2012")) == []
    assert len(keys(landing.objects(""))) == 3
    for landed in landing.objects(""):
        assert landed.size == 5
        assert landed.etag == landing.etag(landed.key)
        with landing.open(landed.key) as file:
            assert file.read() == b"12345"


def test_hidden_files_and_folders_are_left_out(landing_root):
    for key in (
        "transactions/.2011-03-01.csv",
        "transactions/_2011-03-01.csv",
        "transactions/_temporary/2011-03-01.csv",
        "transactions/dt=2011-03-01/_SUCCESS",
        "transactions/dt=2011-03-01/.staging/part.csv",
    ):
        drop(landing_root, key, b"")
    assert list(LocalLanding(str(landing_root)).objects("transactions/")) == []


def test_what_is_not_a_file_is_left_out(landing_root):
    folder = landing_root / "transactions"
    folder.mkdir()
    os.mkfifo(folder / "2011-03-01.csv")  # reading it would wait for ever
    (folder / "2011-03-02.csv").symlink_to(folder / "gone.csv")
    (folder / "2011-03-03.csv").symlink_to(folder / "2011-03-03.csv")
    (folder / "2011-03-04.csv").mkdir()
    drop(landing_root, "transactions/2011-03-05.csv", b"")
    assert keys(LocalLanding(str(landing_root)).objects("transactions/")) == ["transactions/2011-03-05.csv"]


def test_a_link_to_a_file_is_a_file(landing_root, tmp_path):
    (tmp_path / "elsewhere.csv").write_bytes(b"12345")
    (landing_root / "transactions").mkdir()
    (landing_root / "transactions" / "2011-03-01.csv").symlink_to(tmp_path / "elsewhere.csv")
    (found,) = LocalLanding(str(landing_root)).objects("transactions/")
    assert (found.key, found.size) == ("transactions/2011-03-01.csv", 5)


def test_a_folder_that_vanishes_while_it_is_listed_is_left_out(landing_root):
    drop(landing_root, "transactions/2011-03-01.csv", b"")
    drop(landing_root, "transactions/dt=2011-03-01/part.csv", b"")
    listing = LocalLanding(str(landing_root)).objects("transactions/")
    first = next(listing)
    shutil.rmtree(landing_root / "transactions" / "dt=2011-03-01")
    assert [first.key, *keys(listing)] == ["transactions/2011-03-01.csv"]


def test_a_file_that_vanishes_while_it_is_listed_is_left_out(landing_root):
    for number in range(1, 4):
        drop(landing_root, f"transactions/2011-03-0{number}.csv", b"")
    listing = LocalLanding(str(landing_root)).objects("transactions/")
    first = next(listing)
    for path in (landing_root / "transactions").iterdir():
        path.unlink()
    assert [first, *listing] == [first]


def test_a_file_that_is_gone_has_no_etag(landing_root):
    assert LocalLanding(str(landing_root)).etag("transactions/2011-03-01.csv") is None


def test_rewriting_a_file_changes_its_etag(landing_root):
    landing = LocalLanding(str(landing_root))
    path = drop(landing_root, "transactions/2011-03-01.csv", b"12345")
    before = landing.etag("transactions/2011-03-01.csv")
    times = path.stat()

    path.write_bytes(b"54321")
    assert landing.etag("transactions/2011-03-01.csv") != before

    drop(landing_root, "transactions/2011-03-01.csv", b"12345")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # replaced, with the old size and time
    assert landing.etag("transactions/2011-03-01.csv") != before


def test_a_file_moved_in_with_an_old_time_has_arrived_now(landing_root, tmp_path):
    (landing_root / "transactions").mkdir()
    old = tmp_path / "old.csv"
    old.write_bytes(b"")
    os.utime(old, (LONG_AGO, LONG_AGO))
    old.rename(landing_root / "transactions" / "2011-03-01.csv")
    assert _age(landing_root) < dt.timedelta(minutes=1)


@pytest.mark.parametrize("below", ["part.csv", "hour=10/part.csv"])
def test_a_folder_moved_in_whole_brings_files_that_have_arrived_now(landing_root, tmp_path, monkeypatch, below):
    drop(tmp_path, f"outside/{below}", b"")
    (landing_root / "transactions").mkdir()
    moved = landing_root / "transactions" / "dt=2011-03-01"
    (tmp_path / "outside").rename(moved)
    _pretend_old(monkeypatch, lambda path: path != moved)
    assert _age(landing_root) < dt.timedelta(minutes=1)


def test_a_neighbour_that_arrives_does_not_make_old_files_of_a_source_new(landing_root, monkeypatch):
    drop(landing_root, "transactions/2011-03-01.csv", b"")
    _pretend_old(monkeypatch, lambda path: path.suffix == ".csv")  # the source's folder has just changed
    assert _age(landing_root) > dt.timedelta(days=365)


def _age(landing_root) -> dt.timedelta:
    (found,) = LocalLanding(str(landing_root)).objects("transactions/")
    return dt.datetime.now(tz=dt.UTC) - found.modified


def _pretend_old(monkeypatch, is_old) -> None:
    """Let some paths say that nothing about them changed for years: a change time cannot be set."""
    stat = Path.stat

    def pretended(path, **arguments):
        found = stat(path, **arguments)
        if not is_old(path):
            return found
        return os.stat_result([*found[:10], *[LONG_AGO] * 3], {"st_ctime": LONG_AGO, "st_mtime_ns": found.st_mtime_ns})

    monkeypatch.setattr(Path, "stat", pretended)


@pytest.mark.parametrize("zone", ["", "some/zone/"])
def test_objects_are_listed_by_prefix_opened_and_compared(remote, zone):
    names = [
        "2011-03-01.csv",
        "2011-03-01 late+1%.csv",
        "dt=2011-03-01/ünï 雪.csv",
        ".hidden.csv",
        "_temporary/x.csv",
    ]
    for name in names:
        remote.put(f"{zone}transactions/{name}", name.encode())
    remote.put("elsewhere/transactions/2011-03-01.csv")
    landing = open_landing(f"{remote.uri}/{zone}".rstrip("/"))

    listed = {landed.key: landed for landed in landing.objects("transactions/")}
    assert sorted(listed) == sorted(f"transactions/{name}" for name in names[:3])
    for key, landed in listed.items():
        with landing.open(key) as file:
            assert file.read() == key.removeprefix("transactions/").encode()
            file.seek(0)
            assert file.read(4) == key.removeprefix("transactions/").encode()[:4]
        assert landed.etag == landing.etag(key)
        assert landed.size == len(key.removeprefix("transactions/").encode())
        assert landed.modified.utcoffset() == dt.timedelta(0)
    assert keys(landing.objects("transactions/2011-03-01 ")) == ["transactions/2011-03-01 late+1%.csv"]
    assert keys(landing.objects("transactions/dt=2011-03-01")) == ["transactions/dt=2011-03-01/ünï 雪.csv"]
    assert keys(landing.objects("customers/")) == []
    assert set(listed) <= set(keys(landing.objects("")))


def test_what_consoles_call_a_folder_is_no_object(s3):
    s3.put("zone/transactions/")
    s3.put("zone/transactions/2011-03-01.csv")
    assert keys(open_landing(f"{s3.uri}/zone").objects("")) == ["transactions/2011-03-01.csv"]


@pytest.mark.parametrize("s3", ["moto"], indirect=True)  # MinIO refuses such keys, Amazon takes them
def test_a_key_that_is_no_path_does_not_hide_the_others(s3):
    for key in ("transactions//2011-03-01.csv", "transactions/../2011-03-02.csv", "transactions/2011-03-03.csv"):
        s3.put(f"zone/{key}")
    listed = keys(open_landing(f"{s3.uri}/zone").objects("transactions/"))
    assert [key for key in listed if route(key)] == ["transactions/2011-03-03.csv"]


def test_a_listing_has_more_pages_than_one(s3):
    for number in range(5):
        s3.put(f"zone/transactions/2011-03-0{number + 1}.csv")
    assert len(list(S3Landing(f"{s3.uri}/zone", _PagesOfTwo(s3.client)).objects("transactions/"))) == 5


def test_a_changed_object_has_another_etag(remote):
    landing, key = open_landing(remote.uri), "transactions/2011-03-01.csv"
    etags = []
    for body in (b"one", b"two"):
        remote.put(key, body)
        etags.append(landing.etag(key))
    assert len(set(etags)) == 2


def test_an_object_that_is_gone_has_no_etag_and_cannot_be_opened(remote):
    landing, key = open_landing(remote.uri), "transactions/2011-03-01.csv"
    for _ in range(2):
        assert landing.etag(key) is None
        with pytest.raises(FileNotFoundError, match=r"transactions/2011-03-01\.csv"):
            landing.open(key)
        remote.put(key)
        remote.delete(key)


def test_a_bucket_or_container_that_is_not_there_is_no_empty_zone(remote):
    missing = open_landing(f"{remote.uri.replace('test-', 'gone-')}/landing")
    with pytest.raises(StorageError, match=r"://gone-[0-9a-f]{32}.*/landing: "):
        list(missing.objects("transactions/"))


def test_an_opened_zone_can_be_sent_to_another_process(remote):
    remote.put("transactions/2011-03-01.csv", b"12345")
    sent = pickle.loads(pickle.dumps(open_landing(remote.uri)))  # noqa: S301 - our own
    with sent.open("transactions/2011-03-01.csv") as file:
        assert file.read() == b"12345"


class _PagesOfTwo:
    """A client whose listings come in pages of two."""

    def __init__(self, client) -> None:
        self._client = client

    def get_paginator(self, name):
        paginator = self._client.get_paginator(name)
        paginate = paginator.paginate
        paginator.paginate = lambda **arguments: paginate(**arguments, PaginationConfig={"PageSize": 2})
        return paginator


def test_a_landing_object_sorts_by_its_time():
    early, late = (
        LandingObject(dt.datetime(2011, 3, number, tzinfo=dt.UTC), key, "etag", 0)
        for number, key in ((1, "b"), (2, "a"))
    )
    assert sorted([late, early]) == [early, late]
