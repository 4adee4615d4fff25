"""The settings of a lakehouse, read from the environment and validated in one place.

Nothing else in the project reads ``LAKEHOUSE_*`` variables. How a location is opened belongs in ``storage`` and
``landing``; how Dagster is configured belongs in ``orchestration.instance``. Credentials are no settings:
they stay in the standard variables of the cloud they are for, and a location or an address that holds one is refused.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from lakehouse import clock
from lakehouse.errors import LakehouseError

SCHEMES = ("file", "s3", "s3a", "abfss")
DATABRICKS = "databricks"

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CONTAINER = re.compile(r"[a-z0-9$][a-z0-9-]{1,62}@[a-z0-9]{3,24}\.dfs\.[a-z0-9.-]+")
_HOST = r"[A-Za-z0-9.-]+:\d{1,5}"
_SPARK_URL = re.compile(rf"local|local\[(\*|[1-9]\d*)\]|spark://{_HOST}(,{_HOST})*|sc://{_HOST}(/.*)?|{DATABRICKS}")


class SettingsError(LakehouseError, ValueError):
    """The environment describes no usable lakehouse; the message names the variable and what it should hold."""

    code = "settings"


def _location(value: object) -> str:
    """Make a path absolute; check a URI and bring it to the one form that is used everywhere."""
    text = str(value).strip()
    scheme, separator, rest = text.partition("://")
    if not separator:
        return str(Path(text).expanduser().resolve())
    rest = re.sub("/{2,}", "/", rest.rstrip("/"))  # an object store takes an empty folder for a folder
    if scheme not in SCHEMES:
        raise ValueError(f"has the scheme {scheme!r}; known are {', '.join(SCHEMES)} and plain paths")
    if not rest:
        raise ValueError("names nothing after its scheme; give s3://bucket/path or file:///path")
    host = rest.partition("/")[0]
    if scheme == "abfss":
        if not _CONTAINER.fullmatch(host):
            raise ValueError("names no container and account; give abfss://container@account.dfs.core.windows.net/path")
        return f"abfss://{rest}"
    if scheme in {"s3", "s3a"}:
        if not _BUCKET.fullmatch(host):
            raise ValueError(f"names no bucket; give {scheme}://bucket/path, and credentials by the AWS variables")
        return f"s3://{rest}"
    if not rest.startswith("/"):
        raise ValueError("names no absolute path; a file URI has three slashes, file:///data/lake")
    return str(Path(rest))


def _past(day: dt.date) -> dt.date:
    if day > clock.today():
        raise ValueError(f"{day} lies in the future; give the first day you have data for")
    return day


def _spark_url(value: str) -> str:
    text = value.strip()
    if not _SPARK_URL.fullmatch(text):
        raise ValueError(
            "is no Spark; give local, local[4], local[*], spark://host:7077, sc://host:15002 or " + DATABRICKS
        )
    if ";token=" in text:
        raise ValueError("holds a token; give it by SPARK_CONNECT_AUTHENTICATE_TOKEN")
    return text


Location = Annotated[str, BeforeValidator(_location)]


class Settings(BaseSettings):
    """Where the lakehouse is, when its history starts and what computes it.

    Attributes:
        root: the lake: tables and manifests, and on disk the Dagster home. An absolute path, ``s3://bucket/path`` or
            ``abfss://container@account.dfs.core.windows.net/path``.
        landing: where sources drop files; the same forms.
        start_date: the first business date of every calendar; older dates are absurd and fall back (see ``bronze``).
        engine: ``sail``, in this process, or ``spark``.
        spark_url: the Spark that the engine ``spark`` uses: a master, a Spark Connect server or ``databricks``.
    """

    model_config = SettingsConfigDict(env_prefix="LAKEHOUSE_", env_ignore_empty=True, frozen=True, extra="ignore")

    root: Location = "./.lakehouse"
    landing: Location = Field(default_factory=lambda values: f"{values['root']}/landing")
    start_date: Annotated[dt.date, AfterValidator(_past)] = dt.date(2010, 12, 1)
    engine: Literal["sail", "spark"] = "sail"
    spark_url: Annotated[str, AfterValidator(_spark_url)] = "local[*]"

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps runs and events: in the root; for an object store in this folder, under its name."""
        scheme, _, rest = self.root.rpartition("://")
        return Path(f".lakehouse-{scheme}", rest, "dagster").resolve() if scheme else Path(rest, "dagster")

    @classmethod
    def load(cls, **given: Any) -> Settings:
        """Read the environment; what is given comes before it.

        Raises:
            SettingsError: a variable holds something unusable; one line for each.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            lines = [
                f"LAKEHOUSE_{str(problem['loc'][0]).upper()}: "
                f"{problem['msg'].removeprefix('Value error, ')} (got {_without_secrets(str(problem['input']))!r})"
                for problem in error.errors()
                if problem["type"] != "default_factory_not_called"  # the landing default of a root that is told above
            ]
            raise SettingsError("\n".join(lines)) from None


def _without_secrets(value: str) -> str:
    """Return a refused value as it may be shown: a key or a token in it is what it may have been refused for."""
    return re.sub(r"(?<=://)[^/@]*:[^/@]*@|(?<=;token=)[^;]*", "***", value)
