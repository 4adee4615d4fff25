"""The synthetic shop, as commands know it: where its package is, and how much data it makes."""

from __future__ import annotations

import datetime as dt
import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from lakehouse.application import find_application
from lakehouse.cli.console import CommandError

DEFAULT_DAYS, DEFAULT_ROWS_PER_DAY, DEFAULT_SEED = 14, 2000, 7
DEFAULT_START = dt.date(2024, 1, 1)


@dataclass(frozen=True)
class ShopSize:
    """What the shop's data are made from; the same arguments give the same bytes."""

    days: int
    rows_per_day: int
    seed: int
    start: dt.date


def shop_package() -> ModuleType:
    """Return the package of the synthetic shop, which is part of a checkout of the project.

    Raises:
        CommandError: this is no checkout.
    """
    find_application(Path.cwd()).make_importable()
    try:
        return importlib.import_module("examples.shop")
    except ModuleNotFoundError as error:
        raise CommandError("the sample shop comes with a checkout of the project; change to its folder") from error
