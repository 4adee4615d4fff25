"""What the lake knows of drift: how the columns of landing files differ, and which rescued values still wait.

Belongs here: questions to ``system.landing_files``, bronze and quarantine, without an engine. What is proposed about
the answers is for ``proposal``.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lakehouse.catalog.ledger_views import OPEN_ROWS
from lakehouse.catalog.reader import Catalog, qualified
from lakehouse.delta.system_tables import QUARANTINE
from lakehouse.ingestion.schema_drift import Drift, drift_in
from lakehouse.landing.reader.rescued import decode_object, value_text
from lakehouse.schema_changes.source_edits import SilverFile, silver_files
from lakehouse.schema_changes.type_inference import Guess

_FETCHED_ROWS = 50_000
_SAMPLES = 5
_MOST_UNREADABLE = 0.5
"""The share of a file's values in a column above which it is called retyped."""
_CURRENT = """(
    SELECT * FROM bronze.{source}
    WHERE (reject_reason IS NULL OR reject_reason NOT LIKE 'file:%' OR reject_reason LIKE 'file:superseded%')
    QUALIFY batch_id = max(batch_id) OVER (PARTITION BY business_date, source_file)
)"""
"""Bronze's rows of the newest readable version of each file and day."""


@dataclass
class DriftedColumn:
    """A column that differs in the same way in some files.

    Attributes:
        kind: ``new``, ``missing``, ``renamed`` or ``retyped``.
        column: the declared column; of a new one, its name in the files.
        was: as declared, and ``is_`` as in the files: a name or a type.
        rescued: its values are in ``rescued_data``.
        files: keys of the files whose newest version has it so.
        first: the first landing date of one, and ``last`` the last.
        samples: some values.
    """

    source: str
    kind: str
    column: str
    was: str | None
    is_: str | None
    rescued: bool
    files: list[str] = field(default_factory=list)
    first: dt.date = dt.date.max
    last: dt.date = dt.date.min
    samples: list[str] = field(default_factory=list)

    def add(self, file: str, landing_date: dt.date, samples: Sequence[str | None]) -> None:
        """Take in one more file."""
        self.files.append(file)
        self.first, self.last = min(self.first, landing_date), max(self.last, landing_date)
        for sample in samples:
            if sample is not None and sample not in self.samples and len(self.samples) < _SAMPLES:
                self.samples.append(sample)

    def as_data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"is" if name == "is_" else name: value for name, value in vars(self).items()}

    @property
    def sentence(self) -> str:
        """What is different, in how many files, and since when."""
        what = {
            "new": f"new column {self.column}",
            "missing": f"column {self.column} is missing",
            "renamed": f"column {self.column} is called {self.is_!r}",
            "retyped": f"column {self.column} is {self.is_}, declared as {self.was}",
        }[self.kind]
        if self.kind == "retyped" and self.is_ is None:
            what = f"most values of column {self.column} cannot be read as {self.was}"
        files = f"{len(self.files):,} file{'' if len(self.files) == 1 else 's'}"
        return f"{what} in {files} since {self.first}"


def drifted(lake: Catalog) -> list[DriftedColumn]:
    """Return how the newest versions of all files differ from what is declared now."""
    names = set(lake.names())
    if "system.landing_files" not in names:
        return []
    files = lake.rows(
        """
        SELECT data_source, source_file, landing_date, drift
        FROM (FROM system.landing_files UNION ALL BY NAME SELECT NULL::VARCHAR AS drift WHERE false)
        WHERE outcome IN ('ingested', 'refused')
        QUALIFY row_number() OVER (PARTITION BY source_file ORDER BY batch_id DESC) = 1 AND drift IS NOT NULL
        ORDER BY landing_date, source_file
        """
    )
    declared = {
        source: {name.casefold() for name in lake.open(f"bronze.{source}").schema().to_arrow().names}
        for source in {file["data_source"] for file in files}
        if f"bronze.{source}" in names
    }
    found: dict[tuple[Any, ...], DriftedColumn] = {}
    for file in files:
        source = file["data_source"]
        for drift in drift_in(file["drift"]):
            if drift.kind == "new" and drift.column.casefold() in declared.get(source, set()):
                continue  # it has been accepted
            _add(found, source, drift, file)
    return [*found.values(), *_retyped_texts(lake, names)]


def _add(found: dict[tuple[Any, ...], DriftedColumn], source: str, drift: Drift, file: Mapping[str, Any]) -> None:
    key = (source, drift.kind, drift.column, drift.is_)
    column = found.setdefault(
        key, DriftedColumn(source, drift.kind, drift.column, drift.was, drift.is_, drift.is_rescued)
    )
    column.add(file["source_file"], file["landing_date"], [drift.sample])


def _retyped_texts(lake: Catalog, names: set[str]) -> list[DriftedColumn]:
    """Return columns of which most values of a file do not fit the contract, which says the type of a text."""
    if QUARANTINE.name not in names:
        return []
    found: dict[tuple[str, str], DriftedColumn] = {}
    for silver in silver_files():
        if silver.reads in names:
            for file in _unreadable(lake, silver):
                column, source = file["column"], silver.reads.partition(".")[2]
                drift = found.setdefault(
                    (source, column),
                    DriftedColumn(
                        source, "retyped", silver.sources[column], silver.columns[column], None, rescued=False
                    ),
                )
                drift.add(file["source_file"], file["landing_date"], file["samples"])
    return list(found.values())


def _unreadable(lake: Catalog, silver: SilverFile) -> Iterator[dict[str, Any]]:
    """Return, by file and column of a silver table, the values that it cannot read, where they are most of them."""
    rejected = lake.rows(
        f"""
        SELECT source_file, min(landing_date) AS landing_date, list(DISTINCT business_date) AS days,
            rule.split(':')[1] AS column, count(*) AS unreadable,
            list(offending_values ORDER BY source_record)[:{_SAMPLES * 4}] AS offending
        FROM (SELECT *, unnest(rules) AS rule FROM {OPEN_ROWS} WHERE table_name = $table)
        WHERE rule LIKE '%:readable' GROUP BY source_file, rule ORDER BY landing_date, source_file
        """,  # noqa: S608 - constants
        {"table": silver.table},
    )
    wanted = [file for file in rejected if file["column"] in silver.sources]
    if not wanted:
        return
    columns = sorted({silver.sources[file["column"]] for file in wanted})
    counts = ", ".join(f'count("{column}") AS "{column}"' for column in columns)
    received = lake.rows(
        f"""
        SELECT source_file, {counts}
        FROM (FROM {_CURRENT.format(source=silver.reads.partition(".")[2])} WHERE list_contains($files, source_file))
        GROUP BY source_file
        """,  # noqa: S608 - names of the contract
        {"files": sorted({file["source_file"] for file in wanted})},
    )
    values = {file["source_file"]: file for file in received}
    for file in wanted:
        of_column = values.get(file["source_file"], {}).get(silver.sources[file["column"]], 0)
        if file["unreadable"] > of_column * _MOST_UNREADABLE:
            offending = [json.loads(text or "{}").get(file["column"]) for text in file["offending"]]
            yield {**file, "values": of_column, "samples": list(dict.fromkeys(offending))}


@dataclass
class RescuedColumn:
    """Rescued values of one column among the rows that count.

    Attributes:
        names: its names in the files; formats that do not mind the case may spell it in several ways.
        files: the files, with their landing dates and the business dates of the rows.
        rows: how many have the column; in ``nulls`` of them it is null.
    """

    names: list[str] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    landing_dates: set[dt.date] = field(default_factory=set)
    days: set[dt.date] = field(default_factory=set)
    rows: int = 0
    nulls: int = 0
    guess: Guess = field(default_factory=Guess)


def rescued_columns(lake: Catalog, source: str, *, exact_names: bool) -> dict[str, RescuedColumn]:
    """Return the columns with rescued values among the current rows of a source, by their first name.

    Args:
        lake: the lake.
        source: the source.
        exact_names: names that differ only in case are different columns.
    """
    if f"bronze.{source}" not in lake.names():
        return {}
    sql = f"""
        SELECT source_file, landing_date, business_date, rescued_data FROM {_CURRENT.format(source=source)}
        WHERE rescued_data IS NOT NULL ORDER BY landing_date, source_file, source_record
    """  # noqa: S608 - a source's name is a module's name
    cursor = lake.connect(sql).execute(qualified(sql))
    found: dict[str, RescuedColumn] = defaultdict(RescuedColumn)
    while rows := cursor.fetchmany(_FETCHED_ROWS):
        for file, landing_date, day, text in rows:
            for name, raw in decode_object(text).items():
                column = found[name if exact_names else name.casefold()]
                if name not in column.names:
                    column.names.append(name)
                column.files.add(file)
                column.landing_dates.add(landing_date)
                column.days.add(day)
                column.rows += 1
                value = value_text(raw)
                if value is None:
                    column.nulls += 1
                else:
                    column.guess.look(value)
    return {column.names[0]: column for column in found.values()}
