"""Real days, delivered in any order, twice, and in halves, come out exact."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import real_data
from tests.contents import OF_THE_RUN, content_hashes
from tests.s3_server import SERVERS

REPOSITORY = Path(__file__).parents[2]


def lakehouse(*arguments: str, folder: Path = REPOSITORY, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **settings}
    command = [sys.executable, "-m", "lakehouse", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


on_days = pytest.mark.parametrize("days", [6, pytest.param(None, marks=pytest.mark.long, id="all")])


@on_days
def test_real_days_in_shuffled_order_with_copies_and_a_cut_file_come_out_exact(lake_root, days):
    files = real_data.files()[:days]
    for delivery in real_data.badly_delivered(lake_root / "landing" / "transactions", files, seed=20101201):
        real_data.deliver(delivery)
        drained = lakehouse("run")
        assert drained.returncode in {0, 3}, drained.stdout + drained.stderr
    real_data.assert_exact(lake_root, files)
    before = real_data.versions(lake_root)

    again = lakehouse("run")

    assert again.returncode == 0, again.stdout + again.stderr
    assert real_data.versions(lake_root) == before
    outcomes = real_data.query(lake_root, "select outcome, count(*) from system_landing_files group by 1 order by 1")
    assert outcomes == [("copy", 2), ("ingested", len(files) + 1)]  # the cut file and the whole one are two versions


@on_days
@pytest.mark.parametrize("s3", SERVERS[-1:], indirect=True)
def test_real_days_are_the_same_on_disk_and_in_a_bucket(s3, lake_root, tmp_path, days):
    root, files = f"{s3.uri}/lake", real_data.files()[:days]
    for file in files:
        real_data.deliver([(lake_root / "landing" / "transactions" / file.name, file.read_bytes())])
        s3.put(f"lake/landing/transactions/{file.name}", file.read_bytes())

    for place in (str(lake_root), root):
        lake = {"LAKEHOUSE_ROOT": place, "LAKEHOUSE_LANDING": f"{place}/landing"}
        drained = lakehouse("run", folder=tmp_path, **lake)
        assert drained.returncode == 0, drained.stdout + drained.stderr

    real_data.assert_exact(lake_root, files)
    assert content_hashes(root) == content_hashes(str(lake_root))


needs_all = pytest.mark.skipif(
    not os.environ.get("ONLINE_RETAIL"), reason="needs the whole data set: ONLINE_RETAIL=<folder>"
)


@pytest.mark.long
def test_the_real_days_are_the_same_on_a_spark_cluster(lake_root, spark_cluster_url, tmp_path):
    landing = tmp_path / "landing"
    real_data.deliver([(landing / "transactions" / file.name, file.read_bytes()) for file in real_data.files()])
    spark = {
        "LAKEHOUSE_ENGINE": "spark",
        "LAKEHOUSE_SPARK_URL": spark_cluster_url,
        "LAKEHOUSE_ROOT": str(tmp_path / "on_spark"),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    for settings in ({}, spark):
        drained = lakehouse("run", **{"LAKEHOUSE_LANDING": str(landing), **settings})
        assert drained.returncode == 0, drained.stdout + drained.stderr

    real_data.assert_exact(tmp_path / "on_spark", real_data.files())
    without = {*OF_THE_RUN, "batch_id"}  # a batch is as large as suits the engine
    assert content_hashes(str(tmp_path / "on_spark"), without) == content_hashes(str(lake_root), without)


@pytest.mark.long
@needs_all
def test_the_whole_data_set_has_its_known_kinds(lake_root):
    real_data.deliver([(lake_root / "landing" / "transactions" / f.name, f.read_bytes()) for f in real_data.files()])

    assert lakehouse("run").returncode == 0

    kinds = real_data.query(
        lake_root, "select kind, count(*), sum(amount)::varchar from silver_transactions group by 1"
    )
    assert sorted(kinds) == [
        ("adjustment", 2510, "0.000"),
        ("bad_debt", 3, "-11062.060"),
        ("cancellation", 9251, "-893979.730"),
        ("sale", 524877, "10631048.744"),
    ]
