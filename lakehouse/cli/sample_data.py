"""Sample data in a landing zone: the synthetic shop's and the real days that come with the project.

Belongs here: putting sample files where nothing else lies. What the shop's files hold is for `shop`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lakehouse.catalog.landing_state import ANSWER_KEY
from lakehouse.cli.console import CommandError, err
from lakehouse.cli.shop import ShopSize, shop_package
from lakehouse.landing.zone import LocalLanding, open_landing
from lakehouse.storage.files import is_local, write_bytes

if TYPE_CHECKING:
    import io

    from rich.progress import TaskID

    from examples.shop import GenerationReport
    from examples.shop.generator import Progress
    from lakehouse.settings import Settings

REAL_DATA = Path(__file__).resolve().parents[2] / "data" / "online_retail"
_UNFINISHED = ".unfinished"


def sample_folder(settings: Settings) -> Path:
    """Return where sample files are made: in the landing zone, or beside the Dagster home where that is remote."""
    return Path(settings.landing) if is_local(settings.landing) else settings.dagster_home.with_name("sample")


def make_shop_data(folder: Path, size: ShopSize, landing: str | None = None) -> GenerationReport:
    """Make a shop's data in a folder, unless they are there already.

    Args:
        folder: where to.
        size: what from.
        landing: the landing zone that they are for; the folder itself unless given.

    Raises:
        CommandError: the landing zone holds other files, or the arguments do not make a size.
    """
    shop = shop_package()
    landing = landing or str(folder)
    unfinished = folder / _UNFINISHED
    if (folder / ANSWER_KEY).exists():
        deliveries = shop.read_answer_key(folder).deliveries
        _refuse_others(landing, {file["file"] for delivery in deliveries for file in delivery["files"]})
    elif not unfinished.exists():
        _refuse_others(landing, ())
    folder.mkdir(parents=True, exist_ok=True)
    unfinished.touch()  # interrupted sample data are completed later, and not mistaken for somebody's files
    try:
        with _progress() as progress:
            report: GenerationReport = shop.generate(
                folder,
                days=size.days,
                rows_per_day=size.rows_per_day,
                seed=size.seed,
                start=size.start,
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


def send(folder: Path, landing: str) -> None:
    """Bring the files of a folder to a landing zone elsewhere, as a source does; none where they are there already."""
    for found in LocalLanding(str(folder)).objects(""):
        if landing != str(folder) and found.key != ANSWER_KEY:
            _bring(folder / found.key, landing, found.key)


def bring_real_days(landing: str) -> int:
    """Bring the days of Online Retail that come with the project to a landing zone; return how many are new."""
    files = sorted(REAL_DATA.glob("*.csv"))
    if not files:
        raise CommandError(f"the real data are not at {REAL_DATA}; they come with a checkout of the project")
    _refuse_others(landing, {f"transactions/{file.name}" for file in files})
    return sum(_bring(file, landing, f"transactions/{file.name}") for file in files)


def _bring(file: Path, landing: str, key: str) -> bool:
    """Bring a file to a landing zone, whole or not at all; say whether it was not there with the same bytes."""
    with file.open("rb") as ours:
        digest = hashlib.file_digest(ours, "sha256").digest()
    try:
        with open_landing(landing).open(key) as theirs:
            if hashlib.file_digest(cast("io.BufferedReader", theirs), "sha256").digest() == digest:
                return False
    except FileNotFoundError:
        pass
    write_bytes(f"{landing}/{key}", file)
    return True


def _refuse_others(landing: str, expected: Collection[str]) -> None:
    """Refuse a landing zone with files that are not sample data of this kind: they would be mixed for good."""
    others = sorted(
        found.key for found in open_landing(landing).objects("") if found.key not in {*expected, ANSWER_KEY}
    )
    if others:
        raise CommandError(
            f"{landing} holds other files, such as {others[0]}; sample data are not mixed with them. "
            "Choose another lake: LAKEHOUSE_ROOT=.lakehouse-demo"
        )


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show how far the making of the shop's data is, on a terminal."""
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
