"""The switch by which pyspark's functions make columns of plans and need no JVM: a variable of the whole process.

Belongs here: the variable, and the lock under which it is switched. An engine switches it for good, and
``lineage`` for a moment: without the lock, the end of the moment would undo what an engine has begun meanwhile.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "SPARK_CONNECT_MODE_ENABLED"
_switching = threading.RLock()


def switch_on() -> None:
    """Have pyspark's functions make columns of plans from now on."""
    with _switching:
        os.environ[VARIABLE] = "1"


def switch_off() -> None:
    """Have pyspark's functions make columns of the JVM from now on."""
    with _switching:
        os.environ.pop(VARIABLE, None)


@contextmanager
def switched_on() -> Iterator[None]:
    """Have pyspark's functions make columns of plans while the context is open, also beside a JVM."""
    with _switching:
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = "1"
        try:
            yield
        finally:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before
