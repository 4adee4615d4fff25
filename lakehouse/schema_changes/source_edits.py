"""Edits of table files: lines added to a declaration at the right place, as a patch. Nothing is written.

Only files that are written the way the documents show are understood; everything else is refused with a sentence.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lakehouse.errors import RequestError

if TYPE_CHECKING:
    from lakehouse.tables.declarations import Table

_BRONZE = "bronze_table"
Node = TypeVar("Node", bound=ast.AST)


@dataclass(frozen=True)
class Edit:
    """A table's file and the text it is to have."""

    path: Path
    before: str
    after: str

    @property
    def diff(self) -> str:
        """The edit as a patch to be applied in the project's folder."""
        name = "/".join(self.path.parts[-3:])
        before, after = (text.splitlines(keepends=True) for text in (self.before, self.after))
        return "".join(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}"))


def with_bronze_columns(table: Table, lines: Sequence[str]) -> Edit | None:
    """Return a bronze table's file with more columns, or None where it declares them all.

    Args:
        table: the table.
        lines: elements of the tuple of columns: ``"Channel"``, or ``("channel", "string")``.

    Raises:
        RequestError: a line is no such element, or the file is not written as the documents show.
    """
    from lakehouse.tables.declarations import BronzeTable

    if not isinstance(table, BronzeTable):
        raise RequestError(f"{table.full_name} is no bronze table")
    declared, path = table.source.format.columns, Path(table.file)
    added = []
    for code in lines:
        column = _literal(code)
        if type(column) is not type(declared[0]):
            raise RequestError(f"{code} is no column as {_short(path)} declares them")
        if column in declared:
            continue
        if _name(column).casefold() in {_name(each).casefold() for each in declared}:
            raise RequestError(
                f"{table.full_name} declares a column {_name(column)} in another way; "
                "take the proposal's line out of its file"
            )
        added.append(code)
    if not added:
        return None
    before = path.read_text(encoding="utf-8")
    columns = _columns_of_format(path, before)
    last = columns.elts[-1]
    separator = ",\n" + " " * last.col_offset if last.lineno > columns.lineno else ", "
    text = "".join(f"{separator}{code}" for code in added)
    return _inserted(path, before, last.end_lineno or 0, last.end_col_offset or 0, text)


def with_silver_columns(table: Table, lines: Sequence[str]) -> Edit | None:
    """Return a silver table's file with more lines in its contract, after the last typed column; None where it has all.

    Args:
        table: the table.
        lines: declarations: ``channel: T.StringType = column("...", source="Channel", nullable=True)``.

    Raises:
        RequestError: a line is no such declaration, or the file is not written as the documents show.
    """
    from lakehouse.contracts.contract import columns_of
    from lakehouse.tables.declarations import ContractTable

    if not isinstance(table, ContractTable):
        raise RequestError(f"{table.full_name} has no contract")
    declared, path = {column.name: column.source for column in columns_of(table.terms.contract)}, Path(table.file)
    added = []
    for code in lines:
        name, source = _contract_column(code)
        if name not in declared:
            added.append(code)
        elif declared[name] != source:
            raise RequestError(
                f"{table.full_name} has a column {name} already, made from something else; give the new one another "
                "name"
            )
    if not added:
        return None
    before = path.read_text(encoding="utf-8")
    typed = [
        line
        for contract in _all(ast.parse(before), ast.ClassDef)
        if contract.name == table.terms.contract.__name__
        for line in contract.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and declared.get(line.target.id)
    ]
    if not typed:
        raise RequestError(f"{_short(path)} types no column from its source; add the line by hand")
    margin = " " * typed[-1].col_offset
    text = "".join(f"{margin}{line}\n" for code in added for line in code.strip().splitlines())
    return _inserted(path, before, (typed[-1].end_lineno or 0) + 1, 0, text)


def _short(path: Path) -> str:
    return "/".join(path.parts[-2:])


def _literal(code: str) -> Any:
    try:
        return ast.literal_eval(code.strip())
    except (SyntaxError, ValueError):
        return None


def _name(column: Any) -> str:
    """Return the name of a column as a format declares it, alone or with its type."""
    return str(column if isinstance(column, str) else column[0])


def _contract_column(code: str) -> tuple[str, str]:
    """Return the name and the source of a contract's line."""
    try:
        (line,) = ast.parse(code.strip()).body
    except (SyntaxError, ValueError):
        line = ast.Pass()
    if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(line.value, ast.Call):
        source = _keyword(line.value, "source")
        if isinstance(source, ast.Constant) and isinstance(source.value, str):
            return line.target.id, source.value
    raise RequestError(f"{code!r} is no column of a contract with a source; propose again, and edit that")


def _columns_of_format(path: Path, text: str) -> ast.Tuple | ast.List:
    """Return the columns that a bronze table's file writes out."""
    for call in _all(ast.parse(text), ast.Call):
        if isinstance(call.func, ast.Name) and call.func.id == _BRONZE:
            landing_format = _keyword(call, "landing_format")
            columns = _keyword(landing_format, "columns") if isinstance(landing_format, ast.Call) else None
            if isinstance(columns, ast.Tuple | ast.List) and columns.elts:
                return columns
    raise RequestError(f"{_short(path)} does not write its columns out in bronze_table(landing_format=…(columns=(…)))")


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == name), None)


def _all(tree: ast.AST, kind: type[Node]) -> Iterator[Node]:
    return (node for node in ast.walk(tree) if isinstance(node, kind))


def _inserted(path: Path, before: str, line: int, column: int, added: str) -> Edit:
    """Insert text before a place as the syntax tree counts: lines from 1, columns in bytes."""
    lines = before.encode().splitlines(keepends=True)
    place = sum(map(len, lines[: line - 1])) + column
    after = (before.encode()[:place] + added.encode() + before.encode()[place:]).decode()
    return Edit(path, before, after)
