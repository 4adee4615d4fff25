"""Lakes that the command's tests ask questions of; made once, and copied by tests that change them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from lakehouse.cli.main import app
from tests.once import made_once
from tests.scenario import csv_bytes, sale

SMALLEST = ("--days", "7", "--rows-per-day", "200")
"""The smallest world that holds every fault."""


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Its JSON."""
        return json.loads(self.out)


def lakehouse(root: Path | str, *arguments: str) -> Answer:
    """Run the command on a lake, which is a folder or a location on an object store."""
    environment = {"LAKEHOUSE_ROOT": str(root), "LAKEHOUSE_LANDING": f"{root}/landing"}
    result = CliRunner().invoke(app, list(arguments), env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def sales_of(day: str, count: int, **changed: str) -> list[dict[str, str]]:
    """Return invoice lines of a day, of 2.50 each unless changed."""
    return [
        sale(f"{day[-2:]}{number:04}", f"{day} 10:00:00", Quantity="1", UnitPrice="2.50") | changed
        for number in range(count)
    ]


def land(root: Path, name: str, lines: list[dict[str, str]]) -> None:
    """Drop a file of invoice lines."""
    file = root / "landing" / "transactions" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(csv_bytes(lines))


@dataclass(frozen=True)
class MadeLake:
    """A lake and what the command said that made it."""

    root: Path
    made: Answer


def shared_worlds(folder: Path) -> tuple[MadeLake, MadeLake]:
    """Return a run's lakes of the smallest world: after the first delivery, when a day is held, and after the demo."""

    def make() -> tuple[MadeLake, MadeLake]:
        root, held = folder / "demo-world", folder / "held-world"
        assert lakehouse(root, "generate", *SMALLEST).code == 0
        first = lakehouse(root, "run", "--json")
        shutil.copytree(root, held)
        return MadeLake(held, first), MadeLake(root, lakehouse(root, "demo", *SMALLEST, "--json"))

    return made_once(folder, "worlds", make)


def in_use(lake: MadeLake) -> FileLock:
    """Return the lock under which a lake that processes share is copied, or is used in its place."""
    return FileLock(f"{lake.root}.lock")


def copied(lake: MadeLake, place: Path) -> MadeLake:
    """Return a copy of a shared lake. Its landing files wait to be taken in, for copies have inodes of their own."""
    with in_use(lake):
        shutil.copytree(lake.root, place)
    return MadeLake(place, lake.made)


@pytest.fixture(scope="session")
def small_lake(tmp_path_factory) -> MadeLake:
    """Three days: a sound one, one with a duplicate and a rejected line, and one bad enough to be held."""
    root = tmp_path_factory.mktemp("small") / "lake"
    land(root, "2024-01-01.csv", sales_of("2024-01-01", 3))
    second = sales_of("2024-01-02", 2)
    broken = sale("999999", "2024-01-02 11:00:00", Quantity="many", StockCode="")
    land(root, "2024-01-02.csv", [*second, second[0], broken])
    bad = [{**line, "InvoiceNo": f"B{line['InvoiceNo']}"} for line in sales_of("2024-01-03", 25, Quantity="x")]
    land(root, "2024-01-03.csv", [*sales_of("2024-01-03", 5), *bad])
    (root / "landing" / "transactions" / "notes.txt").write_text("not a delivery")
    return MadeLake(root, lakehouse(root, "run", "--json"))


@pytest.fixture
def own_lake(small_lake, lake_root) -> Path:
    """A copy of the small lake that a test may change."""
    shutil.copytree(small_lake.root, lake_root)
    return lake_root


@pytest.fixture(scope="session")
def demo_lake(run_folder, tmp_path_factory) -> MadeLake:
    """The smallest demo."""
    _, made = shared_worlds(run_folder)
    return copied(made, tmp_path_factory.mktemp("demo") / "lake")


@pytest.fixture
def ask(small_lake) -> Callable[..., Answer]:
    """Run the command on the small lake."""
    return lambda *arguments: lakehouse(small_lake.root, *arguments)
