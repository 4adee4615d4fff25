"""What the lake knows of drift: how the columns of landing files differ, and which rescued values still wait.

Belongs here: questions to ``system.landing_files``, bronze and quarantine, without an engine. What is proposed about
the answers is for ``proposal``.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.ledger_views import OPEN_ROWS
from lakehouse.catalog.reader import Catalog, qualified
from lakehouse.delta.system_tables import QUARANTINE
from lakehouse.ingestion.bronze_rows import METADATA
from lakehouse.ingestion.schema_drift import Drift, drift_in, same_column
from lakehouse.landing.reader.rescued import decode_object, value_text
from lakehouse.schema_changes.type_inference import TypeInference

if TYPE_CHECKING:
    from lakehouse.contracts.contract import ContractColumn
    from lakehouse.ingestion.staging import Source
    from lakehouse.tables.declarations import Table

    Tables = Callable[[], Mapping[str, Table]]

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


def drift_report(lake: Catalog, tables: Tables) -> list[DriftedColumn]:
    """Return how the newest versions of all files differ from what is declared now.

    Args:
        lake: the lake.
        tables: returns its tables by full name; they are imported only where values do not fit their contracts.
    """
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
    return [*found.values(), *_retyped_texts(lake, names, tables)]


def _add(found: dict[tuple[Any, ...], DriftedColumn], source: str, drift: Drift, file: Mapping[str, Any]) -> None:
    key = (source, drift.kind, drift.column, drift.is_)
    column = found.setdefault(
        key, DriftedColumn(source, drift.kind, drift.column, drift.was, drift.is_, drift.is_rescued)
    )
    column.add(file["source_file"], file["landing_date"], [drift.sample])


def type_as_declared(column: ContractColumn) -> str:
    """Return a column's type as a contract writes it: ``T.DecimalType(18, 3)``."""
    return f"T.{column.type!r}".removesuffix("()").replace(",", ", ")


def _retyped_texts(lake: Catalog, names: set[str], tables: Tables) -> list[DriftedColumn]:
    """Return columns of which most values of a file do not fit the contract, which says the type of a text."""
    if QUARANTINE.name not in names:
        return []
    rejected = lake.rows(
        f"""
        SELECT table_name, source_file, min(landing_date) AS landing_date, rule.split(':')[1] AS column,
            count(*) AS unreadable, list(offending_values ORDER BY source_record)[:{_SAMPLES * 4}] AS offending
        FROM (SELECT *, unnest(rules) AS rule FROM {OPEN_ROWS})
        WHERE rule LIKE '%:readable' GROUP BY table_name, source_file, rule
        ORDER BY table_name, landing_date, source_file
        """  # noqa: S608 - constants
    )
    suspects = list(_suspects(lake, names, rejected))
    declared = tables() if suspects else {}
    found: dict[tuple[str, str], DriftedColumn] = {}
    for file, values in suspects:
        column = _typed(declared.get(file["table_name"]), file["column"])
        if column is None or file["unreadable"] <= values.get(str(column.source), 0) * _MOST_UNREADABLE:
            continue
        source = _source_of(file)
        drift = found.setdefault(
            (source, column.name),
            DriftedColumn(source, "retyped", str(column.source), type_as_declared(column), None, rescued=False),
        )
        offending = [json.loads(text or "{}").get(column.name) for text in file["offending"]]
        drift.add(file["source_file"], file["landing_date"], list(dict.fromkeys(offending)))
    return list(found.values())


def _suspects(
    lake: Catalog, names: set[str], rejected: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, int]]]:
    """Return the files of which so much cannot be read that it may be most of a column, with the values of each."""
    for source in dict.fromkeys(_source_of(file) for file in rejected):
        if f"bronze.{source}" not in names:
            continue
        files = [file for file in rejected if _source_of(file) == source]
        added = {name for name, *_ in METADATA}
        own = [name for name in lake.open(f"bronze.{source}").schema().to_arrow().names if name not in added]
        sql = f"""
            SELECT source_file, {", ".join(f'count("{column}") AS "{column}"' for column in own)}
            FROM {_CURRENT.format(source=source)} WHERE list_contains($files, source_file) GROUP BY source_file
        """  # noqa: S608 - columns of the table
        received = lake.rows(sql, {"files": sorted({file["source_file"] for file in files})})
        counts = {row["source_file"]: {name: row[name] for name in own} for row in received}
        for file in files:
            values = counts.get(file["source_file"], {})
            fewest = min((count for count in values.values() if count), default=0)
            if file["unreadable"] > fewest * _MOST_UNREADABLE:
                yield file, values


def _source_of(file: Mapping[str, Any]) -> str:
    return str(file["source_file"]).partition("/")[0]


def _typed(table: Table | None, name: str) -> ContractColumn | None:
    """Return the column of a table that is typed from its source, by name."""
    from lakehouse.contracts.contract import columns_of
    from lakehouse.tables.declarations import ContractTable

    if not isinstance(table, ContractTable):
        return None
    columns = columns_of(table.terms.contract)
    return next((each for each in columns if each.name == name and each.source is not None), None)


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
    inferred: TypeInference = field(default_factory=TypeInference)


def rescued_columns(lake: Catalog, source: Source) -> dict[str, RescuedColumn]:
    """Return the columns with rescued values among the current rows of a source, by their first name."""
    if f"bronze.{source.name}" not in lake.names():
        return {}
    same = same_column(source.format)
    sql = f"""
        SELECT source_file, landing_date, business_date, rescued_data FROM {_CURRENT.format(source=source.name)}
        WHERE rescued_data IS NOT NULL ORDER BY landing_date, source_file, source_record
    """  # noqa: S608 - a source's name is a module's name
    cursor = lake.connect(sql).execute(qualified(sql))
    found: dict[str, RescuedColumn] = defaultdict(RescuedColumn)
    while rows := cursor.fetchmany(_FETCHED_ROWS):
        for file, landing_date, day, text in rows:
            for name, raw in decode_object(text).items():
                column = found[same(name)]
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
                    column.inferred.observe(value)
    return {column.names[0]: column for column in found.values()}
