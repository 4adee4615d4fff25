"""The clock: what time it is for a lakehouse, UTC. Callers may hand in another than the machine's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Clock = Callable[[], dt.datetime]


def machine_clock() -> dt.datetime:
    """Return the machine's time."""
    return dt.datetime.now(tz=dt.UTC)


_CLOCK: ContextVar[Clock] = ContextVar("lakehouse_clock", default=machine_clock)


def now() -> dt.datetime:
    """Return the time by the clock in use."""
    return _CLOCK.get()()


def today() -> dt.date:
    """Return the date by the clock in use."""
    return now().date()


@contextmanager
def using(clock: Clock) -> Iterator[None]:
    """Use a clock while the context is open, in this thread alone.

    Args:
        clock: returns a time with a zone.
    """
    token = _CLOCK.set(lambda: clock().astimezone(dt.UTC))
    try:
        yield
    finally:
        _CLOCK.reset(token)
