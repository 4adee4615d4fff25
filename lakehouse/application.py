"""The application: the project of tables that the library works for, found as Dagster finds it.

``[tool.dagster]`` of the nearest ``pyproject.toml``, in the current folder or above it, names a module. The package of
that module holds the tables; its function ``build_defs(settings, tables)`` returns the Dagster definitions.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.errors import LakehouseError

if TYPE_CHECKING:
    from lakehouse.settings import Settings
    from lakehouse.tables.declarations import Table

DEFAULT_MODULE = "lakehouse_assets.definitions"


class NoApplicationError(LakehouseError):
    """No project of tables can be found from here, or it does not load."""

    code = "no_application"


@dataclass(frozen=True)
class Application:
    """A project of tables.

    Attributes:
        module: the module with ``build_defs``.
        root: the project's folder; None where the module is importable without one, as in an image.
    """

    module: str
    root: Path | None

    @property
    def package(self) -> str:
        """The package that holds the layers' folders."""
        return self.module.rpartition(".")[0]

    def tables(self) -> list[Table]:
        """Return every table of the project, layer by layer."""
        from lakehouse.tables.registry import find_tables

        self.make_importable()
        return find_tables(self.package)

    def source_names(self) -> list[str]:
        """Return the names of the sources, a file each in the bronze folder, without importing any table."""
        self.make_importable()
        bronze = importlib.import_module(f"{self.package}.bronze")
        return sorted(found.name for found in pkgutil.iter_modules(bronze.__path__) if not found.name.startswith("_"))

    def definitions(self, settings: Settings, tables: Sequence[Table] | None = None) -> Any:
        """Return the project's Dagster definitions of some tables, or of all."""
        self.make_importable()
        return importlib.import_module(self.module).build_defs(settings, tables)

    def make_importable(self) -> None:
        """Let the project's packages be imported, wherever the command was started."""
        if self.root is not None and str(self.root) not in sys.path:
            sys.path.insert(0, str(self.root))


@functools.cache
def find_application(start: Path) -> Application:
    """Return the project that a folder belongs to.

    Raises:
        NoApplicationError: no folder from here upwards holds one, and none is installed.
    """
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            tools = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
            module = tools.get("dagster", {}).get("module_name")
            if module:
                return Application(module, folder)
    if importlib.util.find_spec(DEFAULT_MODULE.partition(".")[0]) is not None:
        return Application(DEFAULT_MODULE, None)
    raise NoApplicationError(
        f"no project of tables is in {start} or above it: no pyproject.toml has [tool.dagster] with a module_name",
        hint="change to the project's folder",
    )
