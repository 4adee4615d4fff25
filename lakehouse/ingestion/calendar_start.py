"""The lake's start date. It is fixed once data exists, because partitions and date checks depend on it.

Belongs here: keeping it in the lake, and refusing another one. Which days there are is for ``tables.calendars``.
"""

from __future__ import annotations

import datetime as dt
import json

from lakehouse.settings import SettingsError
from lakehouse.storage.files import create_text, read_text

_NAME = "system/lakehouse.json"


def hold_first_day(root: str, start_date: dt.date) -> None:
    """Make a date a lake's first day, or see that it is.

    Raises:
        SettingsError: the lake was made with another one.
    """
    location = f"{root}/{_NAME}"
    if read_text(location) is None:
        create_text(location, json.dumps({"start_date": start_date.isoformat()}, indent=1))
    first = json.loads(read_text(location) or "{}").get("start_date")
    if first != start_date.isoformat():
        raise SettingsError(
            f"LAKEHOUSE_START_DATE is {start_date}, and the lake {root} was made with {first}: a calendar does not "
            f"change. Set LAKEHOUSE_START_DATE={first}, or choose another LAKEHOUSE_ROOT"
        )
