"""What a run makes once: the first of its processes that asks makes it, and the others wait and read."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

Made = TypeVar("Made")


def made_once(folder: Path, name: str, make: Callable[[], Made]) -> Made:
    """Return what was made under a name in this run, which is made if it is not there.

    Args:
        folder: the run's.
        name: the same in every process that asks for the same.
        make: makes it; an error is the caller's, and the next who asks tries again.
    """
    known = folder / f"{name}.pickle"
    with FileLock(folder / f"{name}.lock"):
        if not known.exists():
            made = make()
            known.write_bytes(pickle.dumps(made))
            return made
    return pickle.loads(known.read_bytes())  # noqa: S301 - this run's own
