"""Sample data in a landing zone: the synthetic shop's world and the real days that come with the project.

Belongs here: putting sample files where nothing else lies. What the shop's files hold is for `shop`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.console import CommandError, err
from cli.landing_state import ANSWER_KEY
from resources.landing import open_landing
from resources.storage import is_local

if TYPE_CHECKING:
    from rich.progress import TaskID

    from shop import GenerationReport
    from shop.generator import Progress

DEFAULT_DAYS, DEFAULT_ROWS_PER_DAY, DEFAULT_SEED = 14, 2000, 7
DEFAULT_START = dt.date(2024, 1, 1)
REAL_DATA = Path(__file__).resolve().parents[1] / "data" / "online_retail"
_UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class World:
    """What the shop's data are made from; the same arguments give the same bytes."""

    days: int
    rows_per_day: int
    seed: int
    start: dt.date


def local_folder(location: str) -> Path:
    """Return a landing zone as a folder.

    Raises:
        CommandError: it is an object store.
    """
    if not is_local(location):
        raise CommandError(f"sample data are written to a folder of this machine, not to {location}; see --out")
    return Path(location)


def make_world(folder: Path, world: World) -> GenerationReport:
    """Make a shop's data in a folder, unless they are there already.

    Raises:
        CommandError: the folder holds other files, or the arguments do not make a world.
    """
    import shop

    unfinished = folder / _UNFINISHED
    if (folder / ANSWER_KEY).exists():
        deliveries = shop.read_answer_key(folder).deliveries
        _refuse_others(folder, {file["file"] for delivery in deliveries for file in delivery["files"]})
    elif not unfinished.exists():
        _refuse_others(folder, ())
    folder.mkdir(parents=True, exist_ok=True)
    unfinished.touch()  # an interrupted world is made again, and not mistaken for somebody's files
    try:
        with _progress() as progress:
            report = shop.generate(
                folder,
                days=world.days,
                rows_per_day=world.rows_per_day,
                seed=world.seed,
                start=world.start,
                progress=progress,
            )
    except ValueError as error:
        unfinished.unlink()
        raise CommandError(str(error)) from error
    except FileExistsError as error:
        unfinished.unlink()
        raise CommandError(f"{error}, or set LAKEHOUSE_ROOT to a new one") from error
    unfinished.unlink()
    return report


def copy_real_days(folder: Path) -> int:
    """Copy the days of the Online Retail data set that come with the project, and return how many are new."""
    from shop.landing import copy_into_place

    files = sorted(REAL_DATA.glob("*.csv"))
    if not files:
        raise CommandError(f"the real data are not at {REAL_DATA}; they come with a checkout of the project")
    _refuse_others(folder, {f"transactions/{file.name}" for file in files})
    return sum(copy_into_place(file, folder / "transactions" / file.name) for file in files)


def _refuse_others(folder: Path, expected: Collection[str]) -> None:
    """Refuse a folder with files that are not sample data of this kind: they would be mixed for good."""
    others = sorted(
        landed.key for landed in open_landing(str(folder)).objects("") if landed.key not in {*expected, ANSWER_KEY}
    )
    if others:
        raise CommandError(
            f"{folder} holds other files, such as {others[0]}; sample data are not mixed with them. "
            "Choose another lake: LAKEHOUSE_ROOT=.lakehouse-demo"
        )


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show how far the making of a world is, on a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("days"))
    console = err()
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bars:

        def show(source: str, done: int, total: int) -> None:
            if source not in tasks:
                tasks[source] = bars.add_task(source, total=total)
            bars.update(tasks[source], completed=done)

        yield show
