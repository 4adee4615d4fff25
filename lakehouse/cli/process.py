"""The process of the command line: what it may do without because it ends with its command.

pyarrow.dataset, by which tables are read, imports pandas as soon as it is imported itself: half a second of CPU, and of
no use to a command that only reads. pyarrow has no switch for it, and remembers for good that there is no pandas; so a
library must not hide it, and only a command does that knows that its process computes nothing.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder


class _WithoutPandas(MetaPathFinder):
    """Hides pandas until Pandera is imported, which needs it."""

    is_needed = False

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Refuse pandas, and leave every other module to the next finder."""
        del path, target
        self.is_needed |= fullname == "pandera"
        if fullname == "pandas" and not self.is_needed:
            raise ModuleNotFoundError("pandas is hidden from commands that only read")


class Process:
    """This process, which is the command line's own once ``main`` says so; in a test it is not."""

    def __init__(self) -> None:
        """Begin as somebody else's."""
        self._is_own = False

    def begin(self) -> None:
        """Note that the process ends with its command."""
        self._is_own = True

    def only_reads(self) -> None:
        """Note that its command starts no engine."""
        if self._is_own:
            sys.meta_path.insert(0, _WithoutPandas())


PROCESS = Process()
