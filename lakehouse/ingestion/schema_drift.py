"""Drift: how the columns of a landing file differ from those that its source declares.

Belongs here: finding the differences of one file and saying each in a sentence. A value whose text no longer fits its
column is no difference of columns; the contract finds it, row by row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from lakehouse.landing.reader import JsonLinesFormat
from lakehouse.landing.reader.parquet_values import has_room, type_text
from lakehouse.landing.reader.rescued import decode_object, value_text

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from lakehouse.landing.reader import FileColumns, LandingFormat

_SAMPLED_ROWS: Final = 1000
_LONGEST_SAMPLE: Final = 100
_BETWEEN_WORDS = re.compile(r"[\s_-]+")


@dataclass(frozen=True)
class Drift:
    """One column of a file that differs.

    Attributes:
        kind: ``new``, ``missing``, ``renamed`` (by case, spaces, hyphens or underscores) or ``retyped``.
        column: the declared column; of a new one, its name in the file.
        was: its declared name or type; None for a new column.
        is_: its name or type in the file; None for a missing column, and for the type of a new one without any.
        is_rescued: its values are in ``rescued_data``; else they are in the column, if there are any.
        sample: one value of it as text, where it is rescued.
    """

    kind: str
    column: str
    was: str | None = None
    is_: str | None = None
    is_rescued: bool = False
    sample: str | None = None

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Return what ``as_data`` gave."""
        return cls(found["kind"], found["column"], found["was"], found["is"], found["rescued"], found["sample"])

    def as_data(self) -> dict[str, Any]:
        """Return it as it stands in ``system.landing_files``."""
        data = asdict(self)
        return {
            "kind": data["kind"],
            "column": data["column"],
            "was": data["was"],
            "is": data["is_"],
            "rescued": data["is_rescued"],
            "sample": data["sample"],
        }

    @property
    def sentence(self) -> str:
        """What is different, and where the values are."""
        if self.kind == "new":
            such = f", such as {self.sample!r}" if self.sample is not None else ""
            return f"new column {self.column}, kept in rescued_data{such}"
        if self.kind == "missing":
            return f"column {self.column} is missing, and null"
        if self.kind == "renamed":
            where = "kept in rescued_data" if self.is_rescued else "taken as that column"
            return f"column {self.column} is called {self.is_!r}, {where}"
        return f"column {self.column} is {self.is_}, declared as {self.was}"


def same_column(landing_format: LandingFormat) -> Callable[[str], str]:
    """Return what names have in common that mean one column of a format: JSON keys are exact, others in any case."""
    return str if isinstance(landing_format, JsonLinesFormat) else str.casefold


def find_drift(landing_format: LandingFormat, found: FileColumns, samples: Mapping[str, str]) -> tuple[Drift, ...]:
    """Compare the columns of a file with those declared; none differ in a file that has no columns to read."""
    if not found.is_read:
        return ()
    same = same_column(landing_format)
    types = {field.name: field.type for field in landing_format.schema}
    names = [column if isinstance(column, str) else column[0] for column in landing_format.columns]
    places = {same(name): name for name in found.types}
    undeclared = [name for name in found.types if same(name) not in {same(each) for each in names}]
    drift = []
    for name in names:
        here = places.get(same(name))
        if here is None:
            other = next((each for each in undeclared if _loosely(each) == _loosely(name)), None)
            if other is None:
                drift.append(Drift("missing", name, name))
            else:
                undeclared.remove(other)
                drift.append(Drift("renamed", name, name, other, is_rescued=True, sample=samples.get(other)))
            continue
        if here != name:
            drift.append(Drift("renamed", name, name, here))
        in_file = found.types[here]
        if in_file is not None and not has_room(types[name], in_file):
            drift.append(Drift("retyped", name, type_text(types[name]), type_text(in_file)))
    new = [
        Drift("new", name, None, None if type_ is None else type_text(type_), is_rescued=True, sample=samples.get(name))
        for name, type_ in found.types.items()
        if name in undeclared
    ]
    return (*drift, *new)


def _loosely(name: str) -> str:
    return _BETWEEN_WORDS.sub("", name).casefold()


class Samples:
    """One value of each rescued column, from the first rescued rows of a file."""

    def __init__(self) -> None:
        """Begin a file."""
        self.found: dict[str, str] = {}
        self._rows = 0

    def look(self, rescued: pa.Array) -> None:
        """Look at the rescued data of further rows."""
        if self._rows >= _SAMPLED_ROWS or rescued.null_count == len(rescued):
            return
        for text in rescued.drop_null().slice(0, _SAMPLED_ROWS - self._rows).to_pylist():
            self._rows += 1
            for name, raw in decode_object(text).items():
                if name not in self.found and (value := value_text(raw)) is not None:
                    self.found[name] = value[:_LONGEST_SAMPLE]


def drift_text(drift: Sequence[Drift]) -> str | None:
    """Return drift as JSON text; None where there is none."""
    return json.dumps([each.as_data() for each in drift], ensure_ascii=False) if drift else None


def drift_in(text: str | None) -> tuple[Drift, ...]:
    """Return the drift that ``drift_text`` wrote."""
    return tuple(Drift.of(each) for each in json.loads(text)) if text else ()
