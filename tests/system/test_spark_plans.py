"""What Spark makes of joins, with the settings that runs have: it adapts to skew and reads only the days it needs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tests.processes import PROJECT
from tests.spark_servers import need_spark


@pytest.fixture(scope="module")
def plans(tmp_path_factory) -> dict[str, str]:
    """The plans that were run, by query."""
    need_spark()
    folder = tmp_path_factory.mktemp("plans")
    done = subprocess.run(
        [sys.executable, "-m", "tests.spark_plans", str(folder / "lake")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: plan.partition("== Initial Plan ==")[0] for name, plan in json.loads(done.stdout).items()}


def test_a_join_with_few_days_reads_only_the_partitions_of_those(plans):
    assert re.search(
        r"FileScan .*/sales\].*PartitionFilters: .*dynamicpruningexpression\(business_date", plans["few days"]
    )
    assert "dynamicpruning" not in plans["few days, told not to"]


def test_a_join_on_a_key_that_most_rows_share_is_cut_into_even_parts(plans):
    assert "SortMergeJoin(skew=true)" in plans["skewed"]
    assert "AQEShuffleRead coalesced and skewed" in plans["skewed"]
    assert "skew" not in plans["skewed, told not to"]


def test_a_plan_adapts_to_what_its_stages_have_found(plans):
    assert plans["few days"].startswith("AdaptiveSparkPlan isFinalPlan=true")
    assert "AQEShuffleRead coalesced" in plans["few days"]
    assert "AdaptiveSparkPlan" not in plans["few days, told not to"]
