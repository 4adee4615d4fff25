"""The contract of an engine is one suite: no case of it is left out for an engine."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

from tests.conftest import ENGINES
from tests.processes import PROJECT


def test_each_engine_has_the_same_cases():
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/lakehouse/engines/test_engine.py"]
    collected = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    names = {engine: Counter[str]() for engine in ENGINES}
    for line in collected.splitlines():
        for engine in ENGINES:
            if f"[{engine}]" in line or f"[{engine}-" in line:
                names[engine][line.replace(engine, "engine")] += 1
    assert names["sail"] == names["spark"]
    assert names["sail"].total() > 100
