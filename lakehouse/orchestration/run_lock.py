"""The run lock: one process at a time runs a lakehouse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lakehouse.errors import BusyError
from lakehouse.ingestion.calendar_start import hold_first_day

if TYPE_CHECKING:
    from pathlib import Path

    from lakehouse.settings import Settings


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Keep every other run of this lake out.

    Of a lake on an object store that holds for this folder only; the batch protocol tells a run from elsewhere.

    Raises:
        BusyError: another one is under way.
        SettingsError: the lake was made with another first day.
    """
    from filelock import FileLock, Timeout

    path = _lock_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise BusyError(
            f"another `lakehouse run`, `lakehouse demo` or `lakehouse dev` is at work on {settings.root}",
            hint="wait until it has finished",
        ) from None
    try:
        hold_first_day(settings.root, settings.start_date)
        yield
    finally:
        lock.release()


def is_alone(settings: Settings) -> bool:
    """Whether no other run of this lake is under way at this moment."""
    from filelock import FileLock, Timeout

    path = _lock_file(settings)
    if not path.exists():
        return True
    try:
        with FileLock(path, blocking=False):
            return True
    except Timeout:
        return False


def _lock_file(settings: Settings) -> Path:
    return settings.dagster_home / ".drain.lock"
