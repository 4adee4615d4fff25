"""Proposals: what a contract could say about columns that drifted, as a file that people review and edit.

Belongs here: what is proposed, and the YAML it is written in. Where the findings come from is for ``findings``; the
patch that a proposal comes to, for ``accept``.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.reader import Catalog
from lakehouse.errors import RequestError
from lakehouse.ingestion.bronze_rows import bronze_layout
from lakehouse.landing.reader import ParquetFormat
from lakehouse.schema_changes.findings import DriftedColumn, RescuedColumn, rescued_columns
from lakehouse.schema_changes.type_inference import TypeInference
from lakehouse.text import plain

if TYPE_CHECKING:
    from lakehouse.ingestion.staging import Source
    from lakehouse.tables.declarations import ContractTable, Table

_HEAD = """\
# A proposal for columns that came in the files of {source} and are not declared.
# Review it: take out the columns you do not want, and edit the lines of code (name, type, description).
# Then: lakehouse contract accept {file} | git apply
"""
_NOT_IN_A_NAME = re.compile(r'[ ,;{}()\n\t=."`]')
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONGEST_LINE = 116
_DECLARABLE = re.compile(r"string|int32|int64|date|timestamp|boolean|decimal\(\d+,\d+\)")


@dataclass(frozen=True)
class ColumnProposal:
    """A new column as a proposal has it.

    Attributes:
        column: its name in the files and in bronze.
        bronze: the element of the bronze format's columns.
        silver: the line of the silver contract, or None where it is to stay in bronze.
    """

    column: str
    bronze: str
    silver: str | None


@dataclass(frozen=True)
class Proposal:
    """A proposal as it is read back.

    Attributes:
        silver_table: the table whose contract gets the columns; None where bronze alone does.
    """

    source: str
    silver_table: str | None
    columns: Sequence[ColumnProposal]

    def only(self, names: Sequence[str]) -> Proposal:
        """Return the proposal of only some columns, or of all where none are named.

        Raises:
            RequestError: it has no such column, or none at all.
        """
        there = [each.column for each in self.columns]
        unknown = sorted(set(names) - set(there))
        if unknown or not there:
            has = f"columns {', '.join(there)}" if there else "no columns to accept"
            raise RequestError(f"the proposal has {has}" + (f", not {', '.join(unknown)}" if unknown else ""))
        return replace(self, columns=[each for each in self.columns if not names or each.column in names])


def propose(
    lake: Catalog, tables: Mapping[str, Table], source: str, drift: Sequence[DriftedColumn]
) -> dict[str, Any] | None:
    """Return a proposal for a source as data, or None where nothing has drifted.

    Args:
        lake: the lake.
        tables: its tables, by full name.
        source: the source.
        drift: how its files differ.
    """
    bronze = source_of(tables, source)
    silver = _silver_of(tables, source)
    renamed = {column.is_ for column in drift if column.kind == "renamed"}
    new = {name: found for name, found in rescued_columns(lake, bronze).items() if name not in renamed}
    others = [column for column in drift if column.kind != "new"]
    if not new and not others:
        return None
    types = {column.column: column.is_ for column in drift if column.kind == "new"}
    proposed, impossible = [], []
    taken = {*bronze_layout(bronze).schema.names}
    for name, found in new.items():
        if why := _why_not(name, taken, bronze, types.get(name)):
            impossible.append({"column": name, **_facts(found), "why": why})
        else:
            proposed.append(_column(name, found, bronze, silver, types.get(name)))
            taken.add(name)
    return {
        "source": source,
        "silver_table": silver.full_name if silver else None,
        "touches": _with_readers(tables, f"bronze.{source}"),
        "columns": proposed,
        "stay_rescued": impossible,
        "retyped": [_retyped(column) for column in others if column.kind == "retyped"],
        "missing": [_other(column) for column in others if column.kind == "missing"],
        "renamed": [_other(column) for column in others if column.kind == "renamed"],
    }


def as_yaml(proposal: Mapping[str, Any], file: str) -> str:
    """Return a proposal as the text of its file."""
    import yaml

    shown = {name: value for name, value in plain(proposal).items() if value not in ([], None)}
    return (
        _HEAD.format(source=proposal["source"], file=file)
        + "\n"
        + str(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=1000))
    )


def read_proposal(path: Path) -> Proposal:
    """Read a proposal that was reviewed.

    Raises:
        RequestError: the file is none.
    """
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        columns = [
            ColumnProposal(each["column"], each["bronze"], each.get("silver")) for each in found.get("columns", [])
        ]
        proposal = Proposal(str(found["source"]), found.get("silver_table"), columns)
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError) as error:
        why = " ".join(str(error).split())
        raise RequestError(f"{path} is no proposal as `lakehouse contract propose` writes it: {why}") from None
    if not all(isinstance(text, str) for each in columns for text in (each.column, each.bronze)):
        raise RequestError(f"{path}: each column has a name, and code for bronze")
    return proposal


def source_of(tables: Mapping[str, Table], name: str) -> Source:
    """Return a source by its name.

    Raises:
        RequestError: there is no such source.
    """
    from lakehouse.tables.declarations import BronzeTable

    table = tables.get(f"bronze.{name}")
    if not isinstance(table, BronzeTable):
        there = sorted(each.source.name for each in tables.values() if isinstance(each, BronzeTable))
        raise RequestError(f"no source is called {name}", hint=f"there are {', '.join(there)}")
    return table.source


def _silver_of(tables: Mapping[str, Table], source: str) -> ContractTable | None:
    """Return the silver table whose contract types a source: the one of its name, if there are several."""
    from lakehouse.tables.declarations import ContractTable

    readers = [
        table
        for table in tables.values()
        if isinstance(table, ContractTable) and [*table.inputs.values()][:1] == [f"bronze.{source}"]
    ]
    return next(iter([*(table for table in readers if table.name == source), *readers]), None)


def _with_readers(tables: Mapping[str, Table], table: str) -> list[str]:
    """Return a table and those made from it, one after the other."""
    from lakehouse.tables.declarations import ContractTable

    found = [table]
    for name in found:
        found += [
            reader.full_name
            for reader in tables.values()
            if isinstance(reader, ContractTable) and name in reader.inputs.values() and reader.full_name not in found
        ]
    return found


def _why_not(name: str, taken: set[str], source: Source, type_: str | None) -> str | None:
    """Say why a column cannot be declared under its name, if so."""
    if name.casefold() in {each.casefold() for each in taken}:
        return f"bronze.{source.name} has a column of that name, or of one that differs only in case"
    if _NOT_IN_A_NAME.search(name):
        return 'a declared column has none of these in its name: space , ; { } ( ) = . " ` tab, line end'
    if isinstance(source.format, ParquetFormat) and not _DECLARABLE.fullmatch(type_ or "string"):
        return f"its type {type_} is none that a ParquetFormat declares"
    return None


def _facts(found: RescuedColumn) -> dict[str, Any]:
    return {
        "files": len(found.files),
        "first_landing_date": min(found.landing_dates),
        "business_dates": len(found.days),
        "rows": found.rows,
        "nulls": found.nulls,
        "samples": found.inferred.samples,
    }


def _column(
    name: str, found: RescuedColumn, source: Source, silver: ContractTable | None, type_: str | None
) -> dict[str, Any]:
    proposed: dict[str, Any] = {"column": name, **_facts(found), "type": found.inferred.type}
    if len(found.names) > 1:
        proposed["also_called"] = found.names[1:]
    literal = json.dumps(name, ensure_ascii=False)
    is_typed = isinstance(source.format, ParquetFormat)
    proposed["bronze"] = f'({literal}, "{type_ or "string"}")' if is_typed else literal
    if silver:
        proposed["nullable"] = "yes: other files do not have it"
        proposed["silver"] = _contract_line(_snake(name, silver), found.inferred.spark_type, name)
    return proposed


def _contract_line(name: str, type_: str, source: str) -> str:
    literal = json.dumps(source, ensure_ascii=False)
    about = json.dumps(f"{source}, as received", ensure_ascii=False)
    ignored = "  # type: ignore[valid-type]" if "(" in type_ else ""
    line = f"{name}: {type_} = column({about}, source={literal}, nullable=True){ignored}"
    if len(line) <= _LONGEST_LINE:
        return line
    return f"{name}: {type_} = column({ignored}\n    {about},\n    source={literal},\n    nullable=True,\n)"


def _snake(name: str, silver: ContractTable) -> str:
    """Return a column's name as contracts write it; with an ending where it is taken."""
    from lakehouse.contracts.contract import columns_of

    words = re.sub(r"\W+", "_", _HUMP.sub("_", name)).strip("_").lower()
    if not words.isidentifier() or keyword.iskeyword(words):
        words = f"column_{words}"
    return f"{words}_received" if words in {column.name for column in columns_of(silver.terms.contract)} else words


def _other(column: DriftedColumn) -> dict[str, Any]:
    return {
        "column": column.column,
        **({"is": column.is_, "rescued": column.rescued} if column.kind == "renamed" else {}),
        "files": column.files,
    }


def _retyped(column: DriftedColumn) -> dict[str, Any]:
    inferred = TypeInference()
    for sample in column.samples:
        inferred.observe(sample)
    is_ = column.is_ or inferred.type
    return {
        "column": column.column,
        "was": column.was,
        "looks_like": is_,
        "files": column.files,
        "samples": column.samples,
        "suggestion": (
            f"Nothing is lost: the rows are in quarantine, or the file is refused, as received. If {column.column} is "
            f"{is_} from now on, a table keeps the type of its column: give the contract one more column with "
            f'source="{column.column}" and the new type, and let the old one be null. If it is a mistake, ask '
            f"{column.source} for corrected files with the same names."
        ),
    }
