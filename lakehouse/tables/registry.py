"""Finding tables: every declaration in the layers' folders of a package, such as ``lakehouse_assets``."""

from __future__ import annotations

import importlib
import pkgutil

from lakehouse.tables.declarations import LAYERS, Table


def find_tables(package: str) -> list[Table]:
    """Return the tables of every file in the layers' folders of a package, in their order.

    Raises:
        ModuleNotFoundError: there is no such package, or it has no folder for a layer.
    """
    tables = []
    for layer in LAYERS:
        folder = importlib.import_module(f"{package}.{layer}")
        for found in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}."):
            module = importlib.import_module(found.name)
            tables += [value for value in vars(module).values() if isinstance(value, Table)]
    return tables
