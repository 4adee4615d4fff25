"""`generate` makes a world in a landing folder, `deliver` brings its later waves.

What the command line and tests call belongs here. What the files hold does not: that is the sources' modules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from examples.shop import schedule
from examples.shop.answer_key import ANSWER_KEY, SOURCES, AnswerKey, expect_after, read_answer_key, write_answer_key
from examples.shop.catalogue import make_catalogue
from examples.shop.clicks import ClickDays
from examples.shop.customers import customer_feed, write_customers
from examples.shop.file_plan import Written
from examples.shop.inventory import InventoryDays
from examples.shop.landing import CORRECTIONS, FIRST_WAVE, copy_into_place, folder_of
from examples.shop.products import product_feed, write_products
from examples.shop.sales import Sales
from examples.shop.stock import Warehouse
from examples.shop.stock_units import Goods, together
from examples.shop.transaction_days import TransactionDays
from examples.shop.visits import Visits

FORMAT = 2  # raise it whenever the same arguments begin to give other bytes

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class GenerationReport:
    """What was made.

    Attributes:
        out: The landing root.
        files: Delivered file versions, later waves included.
        records: Records in them, by source.
        size_bytes: Their size.
        faults: Planted faults, by kind.
        waves: How many deliveries there are; the first is in place.
        already_there: The same world was there before and nothing was written.
    """

    out: Path
    files: int
    records: dict[str, int]
    size_bytes: int
    faults: dict[str, int]
    waves: int
    already_there: bool


def generate(
    out: Path,
    *,
    days: int,
    rows_per_day: int,
    seed: int,
    start: date,
    progress: Progress | None = None,
) -> GenerationReport:
    """Make a world: the first wave in the landing folder, later ones beside it, and the answer key.

    The same arguments give the same bytes. Repeating a call changes nothing, whatever was delivered since.

    Args:
        out: The landing root; each source gets a folder in it.
        days: How many days; at least 7, since the first week holds the days with a story.
        rows_per_day: Clean transaction lines of an average day; at least 200.
        seed: Another seed, another world.
        start: The first day; everything the shop knows is delivered on it.
        progress: Called with the source, and how many of how many days are done.

    Raises:
        ValueError: When the world would be too small for its faults.
        FileExistsError: When the folder holds another world.
    """
    if days < schedule.MINIMUM_DAYS or rows_per_day < schedule.MINIMUM_ROWS_PER_DAY:
        raise ValueError(
            f"a world needs at least {schedule.MINIMUM_DAYS} days of {schedule.MINIMUM_ROWS_PER_DAY} rows, "
            f"not {days} of {rows_per_day}: its faults would not fit"
        )
    arguments = {"format": FORMAT, "days": days, "rows_per_day": rows_per_day, "seed": seed, "start": str(start)}
    if (out / ANSWER_KEY).exists():
        known = read_answer_key(out)
        if known.arguments != arguments:
            raise FileExistsError(f"{out} holds another world, made with {known.arguments}: choose an empty folder")
        return _report(out, known, already_there=True)
    written = list(_write(out, arguments, start, progress or _silent))
    key = _answer_key(arguments, written)
    write_answer_key(key, out / ANSWER_KEY)
    return _report(out, key, already_there=False)


def deliver(out: Path, wave: int) -> tuple[str, ...]:
    """Bring a later wave's files into the landing folder; safe to repeat.

    Args:
        out: The landing root of a generated world.
        wave: Which delivery; the first is in place from the start.

    Returns:
        The keys of the files that were not there before.

    Raises:
        FileNotFoundError: When no world was generated there.
        ValueError: When the world has no such wave.
    """
    key = read_answer_key(out)
    if not 1 <= wave <= key.waves:
        raise ValueError(f"the world in {out} has waves 1 to {key.waves}, not {wave}")
    if wave == FIRST_WAVE:
        return ()
    files = [file["file"] for file in key.deliveries[wave - 1]["files"]]
    return tuple(file for file in files if copy_into_place(folder_of(out, wave) / file, out / file))


def _silent(source: str, done: int, total: int) -> None:
    """Show nothing."""


def _write(out: Path, arguments: dict[str, Any], start: date, progress: Progress) -> Iterator[Written]:
    """Write all files of the world, source by source and day by day."""
    days, rows_per_day, seed = arguments["days"], arguments["rows_per_day"], arguments["seed"]
    catalogue = make_catalogue(seed)
    sales = Sales(catalogue, start=start, days=days, rows_per_day=rows_per_day)
    transactions = TransactionDays(sales, out, seed=seed, rows_per_day=rows_per_day)
    customers, products = customer_feed(seed, start), product_feed(catalogue, start)
    for day in range(days):
        yield from write_products(out, products, day)
        progress("products", day + 1, days)
    for day in range(days):
        yield from write_customers(out, customers, day)
        progress("customers", day + 1, days)
    goods: dict[str, Goods] = {}
    for day in range(days):
        for written in transactions.write_day(day):
            yield written
            if written.goods is not None:  # of a file with versions the last one counts
                goods[written.version.key] = written.goods
        progress("transactions", day + 1, days)
    warehouse = Warehouse(catalogue, together(sales.places, goods.values()), start=start, days=days)
    inventory = InventoryDays(list(warehouse.movements()), out, seed=seed, start=start)
    for day in range(days):
        yield from inventory.write_day(day)
        progress("inventory", day + 1, days)
    clicks = ClickDays(Visits(catalogue, start=start, days=days, rows_per_day=rows_per_day), out, seed=seed, days=days)
    for day in range(days):
        yield from clicks.write_day(day)
        progress("clicks", day + 1, days)


def _answer_key(arguments: dict[str, Any], written: Iterable[Written]) -> AnswerKey:
    """Put together what all files expect."""
    files = list(written)
    versions = [file.version for file in files]
    faults = [fault for file in files for fault in file.faults]
    held = {(fault.source, fault.business_date): fault for fault in faults if fault.expect == "held"}
    waves = range(FIRST_WAVE, CORRECTIONS + 1)
    deliveries = tuple(
        {
            "wave": wave,
            "files": [
                {
                    "file": version.key,
                    "source": version.source,
                    "sha256": version.sha256,
                    "size_bytes": version.size_bytes,
                    "records": version.records,
                    "rows": {str(day): tally.rows for day, tally in sorted(version.tally.items())},
                }
                for version in versions
                if version.wave == wave
            ],
        }
        for wave in waves
    )
    return AnswerKey(
        arguments=arguments,
        deliveries=deliveries,
        faults=tuple(replace(fault, id=f"F{number:05}") for number, fault in enumerate(faults, start=1)),
        expected=tuple(
            expect_after(wave, versions, {place for place, fault in held.items() if fault.counts_after(wave)})
            for wave in waves
        ),
    )


def _report(out: Path, key: AnswerKey, *, already_there: bool) -> GenerationReport:
    """Sum up a world from its key."""
    files = [file for delivery in key.deliveries for file in delivery["files"]]
    records: Counter[str] = Counter(dict.fromkeys(SOURCES, 0))
    for file in files:
        records[file["source"]] += file["records"]
    return GenerationReport(
        out=out,
        files=len(files),
        records=dict(records),
        size_bytes=sum(file["size_bytes"] for file in files),
        faults=dict(Counter(fault.kind for fault in key.faults)),
        waves=key.waves,
        already_there=already_there,
    )
