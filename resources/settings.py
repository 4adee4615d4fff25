"""The settings of a lakehouse, read from the environment and validated in one place.

Nothing else in the project reads ``LAKEHOUSE_*`` variables. How a location is opened belongs in ``storage`` and
``landing``; how Dagster is configured belongs in ``instance``.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

SCHEMES = ("file", "s3")


class SettingsError(ValueError):
    """The environment describes no usable lakehouse; the message names the variable and what it should hold."""


def _location(value: object) -> str:
    """Make a path absolute, and check the scheme of a URI."""
    text = str(value).strip()
    scheme, separator, rest = text.partition("://")
    if not separator:
        return str(Path(text).expanduser().resolve())
    rest = rest.rstrip("/")
    if scheme not in SCHEMES:
        raise ValueError(f"has the scheme {scheme!r}; known are {', '.join(SCHEMES)} and plain paths")
    if not rest:
        raise ValueError("names nothing after its scheme; give s3://bucket/path or file:///path")
    if scheme == "s3":
        return f"s3://{rest}"
    if not rest.startswith("/"):
        raise ValueError("names no absolute path; a file URI has three slashes, file:///data/lake")
    return str(Path(rest))


def _past(day: dt.date) -> dt.date:
    if day > dt.datetime.now(tz=dt.UTC).date():
        raise ValueError(f"{day} lies in the future; give the first day you have data for")
    return day


Location = Annotated[str, BeforeValidator(_location)]


class Settings(BaseSettings):
    """Where the lakehouse is and when its history starts.

    Attributes:
        root: the lake: tables, manifests and the Dagster home. An absolute path, or an ``s3://`` URI.
        landing: where sources drop files. An absolute path, or an ``s3://`` URI.
        start_date: the first business date of every calendar; older dates are absurd and fall back (see ``bronze``).
    """

    model_config = SettingsConfigDict(env_prefix="LAKEHOUSE_", env_ignore_empty=True, frozen=True, extra="ignore")

    root: Location = "./.lakehouse"
    landing: Location = Field(default_factory=lambda values: f"{values['root']}/landing")
    start_date: Annotated[dt.date, AfterValidator(_past)] = dt.date(2010, 12, 1)

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps runs and events: in the root, or in this folder where the root is an object store."""
        return Path(self.root if "://" not in self.root else ".lakehouse").resolve() / "dagster"

    @classmethod
    def load(cls) -> Settings:
        """Read the environment.

        Raises:
            SettingsError: a variable holds something unusable; one line for each.
        """
        try:
            return cls()
        except ValidationError as error:
            lines = [
                f"LAKEHOUSE_{str(problem['loc'][0]).upper()}: "
                f"{problem['msg'].removeprefix('Value error, ')} (got {problem['input']!r})"
                for problem in error.errors()
                if problem["type"] != "default_factory_not_called"  # the landing default of a root that is told above
            ]
            raise SettingsError("\n".join(lines)) from error
