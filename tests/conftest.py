"""What every test shares: an environment that points at a temporary lake, and the engines that tables must work on."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from lakehouse.engines.base import Engine
from lakehouse.engines.factory import open_engine
from tests.object_stores import adls, remote, run_folder, s3
from tests.spark_servers import in_one_task, spark_cluster_url, spark_url

__all__ = ["adls", "remote", "run_folder", "s3", "spark_cluster_url", "spark_url"]

ENGINES = ("sail", "spark")
"""Every engine by name; the contract tests run on each."""
_CASE = re.compile(rf"\[({'|'.join(ENGINES)})[\]-]")


def engine_at(root: str, name: str) -> Engine:
    """Return a lake's engine; Spark is where ``LAKEHOUSE_SPARK_URL`` says."""
    return open_engine(root, name, os.environ.get("LAKEHOUSE_SPARK_URL", ""))


@pytest.fixture(autouse=True)
def lake_root(tmp_path, monkeypatch) -> Path:
    """An empty place for a lake, named by the environment, so that no test can touch a real one."""
    root = tmp_path / "lake"
    monkeypatch.setenv("LAKEHOUSE_ROOT", str(root))
    monkeypatch.setenv("LAKEHOUSE_LANDING", str(root / "landing"))
    monkeypatch.delenv("LAKEHOUSE_START_DATE", raising=False)
    return root


@pytest.fixture
def landing_root(lake_root) -> Path:
    """The landing zone of the temporary lake."""
    folder = lake_root / "landing"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def line(landing_root):
    """The real definitions over an empty lake."""
    from tests.line import Line

    return Line(landing_root)


@pytest.fixture(params=ENGINES)
def engine(request, lake_root, monkeypatch) -> Engine:
    """An engine over the temporary lake."""
    return requested_engine(request, lake_root, monkeypatch)


def requested_engine(request, lake_root, monkeypatch) -> Engine:
    """Return the engine that a fixture's parameter names; the embedded one where it has none."""
    name = getattr(request, "param", "sail")
    monkeypatch.setenv("LAKEHOUSE_ENGINE", name)
    if name != "spark":
        return engine_at(str(lake_root), name)
    monkeypatch.setenv("LAKEHOUSE_SPARK_URL", request.getfixturevalue("spark_url"))
    engine = engine_at(str(lake_root), name)
    in_one_task(engine.session())
    return engine


_SLOWEST = 10
_seconds: Counter[str] = Counter()
"""How long each test took, by its id: with what was set up for it and taken down after it."""


def pytest_runtest_logreport(report) -> None:
    """Add up the time of a test."""
    _seconds[report.nodeid] += report.duration


_LONGEST = (
    "tests/system/",
    "tests/docs/",
    "tests/lakehouse/cli/",
    "tests/lakehouse/engines/",
    "tests/lakehouse/delta/",
)
"""Where modules take long: they start programs and servers, or drive every table."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long modules first: where they came last, one process would wait for another in the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))


def pytest_terminal_summary(terminalreporter) -> None:
    """Tell how many contract cases each engine has passed, which tests are the slowest, and where the time went."""
    passed = [report.nodeid for report in terminalreporter.stats.get("passed", []) if report.when == "call"]
    cases = Counter(found[1] for name in passed if (found := _CASE.search(name)))
    if cases:
        told = ", ".join(f"{engine} {cases[engine]}" for engine in ENGINES)
        terminalreporter.write_line(f"contract cases passed: {told}")
    rooms: Counter[str] = Counter()
    tests: Counter[str] = Counter()
    for name, seconds in _seconds.items():
        room = "/".join(Path(name.partition("::")[0]).parent.parts[:2])
        rooms[room] += seconds
        tests[room] += 1
    for title, lines in (
        ("the slowest tests", [(seconds, name) for name, seconds in _seconds.most_common(_SLOWEST)]),
        ("seconds by room", [(seconds, f"{room} ({tests[room]} tests)") for room, seconds in rooms.most_common()]),
    ):
        terminalreporter.write_sep("-", title)
        for seconds, what in lines:
            terminalreporter.write_line(f"{seconds:8.1f} s  {what}")
