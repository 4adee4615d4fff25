"""`lakehouse demo` and `generate`: every planted fault is caught, again and again, and nobody's files are touched."""

from __future__ import annotations

import hashlib
import shutil

import pytest
from deltalake import DeltaTable

from examples.shop import answer_key
from lakehouse.catalog.landing_state import ANSWER_KEY
from lakehouse.cli.sample_data import REAL_DATA
from tests.contents import OF_THE_RUN, content_hashes
from tests.lakehouse.cli.conftest import SMALLEST, in_use, lakehouse, shared_worlds
from tests.real_data import assert_gold_adds_up


def versions(root):
    """Return every table's version."""
    return {log.parent: DeltaTable(log.parent).version() for log in root.glob("*/*/_delta_log")}


def digests(folder):
    """Return the digest of every file of a folder."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_every_planted_fault_is_caught_and_nothing_else(demo_lake):
    assert demo_lake.made.code == 0
    card = demo_lake.made.data["scorecard"]
    assert card["planted"] == card["caught"] > 180
    assert {kind["source"] for kind in card["by_kind"]} == {*answer_key.SOURCES}
    assert (card["missed"], card["false_alarms"]) == (0, 0)
    assert demo_lake.made.data["held"] == []


def test_gold_adds_up_to_the_lines_of_the_shop_to_the_last_cent_and_every_key_is_found(demo_lake):
    assert_gold_adds_up(demo_lake.root)


@pytest.mark.long
def test_on_spark_the_demo_ends_with_the_same_scorecard_and_the_same_rows(demo_lake, lake_root, spark_url, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_ENGINE", "spark")
    monkeypatch.setenv("LAKEHOUSE_SPARK_URL", spark_url)
    made = lakehouse(lake_root, "demo", *SMALLEST, "--json")
    assert made.code == 0
    assert made.data["scorecard"] == demo_lake.made.data["scorecard"]
    without = {*OF_THE_RUN, "batch_id"}  # a batch is as large as suits the engine
    assert content_hashes(str(lake_root), without) == content_hashes(str(demo_lake.root), without)


def test_a_second_demo_changes_nothing_and_shows_the_same_scorecard(run_folder):
    _, demo = shared_worlds(run_folder)
    with in_use(demo):
        before = versions(demo.root)
        again = lakehouse(demo.root, "demo", *SMALLEST)
        assert versions(demo.root) == before
    card = demo.made.data["scorecard"]
    assert again.code == 0
    assert f"planted {card['planted']}, caught {card['planted']}, missed 0, false alarms 0" in again.out
    assert "nothing new has landed" in again.out


def test_a_fault_that_was_not_caught_fails_the_demo(demo_lake, lake_root):
    shutil.copytree(demo_lake.root, lake_root)
    DeltaTable(lake_root / "silver" / "quarantine").delete("array_has(rules, 'quantity:readable')")
    spoiled = lakehouse(lake_root, "demo", *SMALLEST)
    assert spoiled.code == 1
    assert "missed quantity_not_a_number, transactions/" in spoiled.out


def test_a_demo_refuses_a_landing_zone_with_other_files(lake_root):
    own = lake_root / "landing" / "transactions" / "2024-01-01.csv"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    for data in ("shop", "online_retail"):
        refused = lakehouse(lake_root, "demo", "--data", data)
        assert refused.code == 1
        assert "holds other files, such as transactions/2024-01-01.csv" in refused.err
    assert digests(lake_root / "landing") == {"transactions/2024-01-01.csv": hashlib.sha256(b"mine").hexdigest()}


def test_a_demo_of_another_shop_is_refused(demo_lake):
    refused = lakehouse(demo_lake.root, "demo", *SMALLEST, "--seed", "8")
    assert refused.code == 1
    assert "holds another world" in refused.err
    assert not (demo_lake.root / "landing" / ".unfinished").exists()


def test_the_real_days_reach_gold_with_their_attribution(lake_root):
    done = lakehouse(lake_root, "demo", "--data", "online_retail", "--json")
    assert done.code == 0
    said = done.data
    assert [(month["month_start"], month["days"]) for month in said["months"]] == [
        ("2010-12-01", 20),
        ("2011-01-01", 10),
    ]
    assert "CC BY 4.0" in said["attribution"]
    assert len(list(REAL_DATA.glob("*.csv"))) == 30


def test_the_same_arguments_generate_the_same_bytes(tmp_path, lake_root):
    arguments = ["generate", "--days", "7", "--rows-per-day", "200", "--seed", "3", "--start", "2024-02-01", "--out"]
    first = lakehouse(lake_root, *arguments, str(tmp_path / "one"))
    assert first.code == 0
    assert f"LAKEHOUSE_LANDING={tmp_path / 'one'} lakehouse run" in first.out
    assert lakehouse(lake_root, *arguments, str(tmp_path / "two")).code == 0
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert "were there already" in lakehouse(lake_root, *arguments, str(tmp_path / "one")).out


def test_an_interrupted_world_is_made_again(tmp_path, lake_root):
    arguments = ["generate", "--days", "7", "--rows-per-day", "200", "--json", "--out", str(tmp_path / "world")]
    assert lakehouse(lake_root, *arguments).code == 0
    whole = digests(tmp_path / "world")
    (tmp_path / "world" / ANSWER_KEY).unlink()
    (tmp_path / "world" / ".unfinished").touch()
    assert lakehouse(lake_root, *arguments).data["already_there"] is False
    assert digests(tmp_path / "world") == whole


def test_a_world_too_small_for_its_faults_is_refused_in_a_sentence(tmp_path, lake_root):
    refused = lakehouse(lake_root, "generate", "--days", "2", "--out", str(tmp_path / "world"))
    assert refused.code == 1
    assert "at least 7 days of 200 rows" in refused.err


def test_the_answer_key_is_known_to_the_landing_zone_by_its_name():
    assert answer_key.ANSWER_KEY == ANSWER_KEY
