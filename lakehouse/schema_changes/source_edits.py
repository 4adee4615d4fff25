"""Table files as text: what a bronze and a silver table declare, and lines added to them at the right place.

Belongs here: reading declarations out of the source code, without importing it, and edits by its syntax tree. Only what
is written the way the documents show is understood; everything else is refused with a sentence. What is added, and why,
is for ``drift``.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from lakehouse.errors import RequestError

_BRONZE, _SILVER = "bronze_table", "silver_table"
Node = TypeVar("Node", bound=ast.AST)


@dataclass(frozen=True)
class SilverFile:
    """What the file of a silver table says.

    Attributes:
        table: its full name.
        reads: the full name of the bronze table it is made from.
        sources: the bronze column that each typed column is made from, by the column's name.
        columns: all its columns, with their types as written.
    """

    table: str
    reads: str
    path: Path
    sources: dict[str, str]
    columns: dict[str, str]


@dataclass(frozen=True)
class Edit:
    """A file and the text it is to have."""

    path: Path
    before: str
    after: str

    @property
    def diff(self) -> str:
        """The edit as people review it."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            f"{self.path.parent.name}/{self.path.name}",
            f"{self.path.parent.name}/{self.path.name}, accepted",
        )
        return "".join(lines)


def file_of(table: str) -> Path:
    """Return the file of a table.

    Raises:
        RequestError: there is none.
    """
    spec = find_spec(f"lakehouse_assets.{table}")
    if spec is None or spec.origin is None:
        raise RequestError(f"there is no table {table}: no file lakehouse_assets/{table.replace('.', '/')}.py")
    return Path(spec.origin)


def silver_files() -> list[SilverFile]:
    """Return what the silver tables' files say; those that are declared in another way are left out."""
    folder = file_of("silver").parent
    found = [_silver(path) for path in sorted(folder.glob("[a-z]*.py"))]
    return [each for each in found if each is not None]


def readers_of(table: str) -> list[str]:
    """Return the tables that are made from a table, one after the other, as their functions' parameters say."""
    found = [table]
    for name in found:
        for layer in ("silver", "gold"):
            for path in sorted(file_of(layer).parent.glob("[a-z]*.py")):
                reads = {
                    arg.arg.replace("_", ".", 1)
                    for made in _all(_tree(path), ast.FunctionDef)
                    for arg in made.args.args
                }
                reader = f"{layer}.{path.stem}"
                if name in reads and reader not in found:
                    found.append(reader)
    return found[1:]


@dataclass(frozen=True)
class BronzeFile:
    """What the file of a bronze table says.

    Attributes:
        landing_format: the name of its format: ``CsvFormat``, ``JsonLinesFormat`` or ``ParquetFormat``.
        columns: the columns it declares.
    """

    table: str
    landing_format: str
    columns: list[str]


def bronze_file(table: str) -> BronzeFile:
    """Return what a bronze table's file declares.

    Raises:
        RequestError: the columns are not written as a tuple in the file.
    """
    landing_format, columns = _bronze_format(file_of(table))
    return BronzeFile(table, landing_format, [_column_name(each) for each in columns.elts])


def with_bronze_column(table: str, code: str, text: str | None = None) -> Edit | None:
    """Return a bronze file with one more column, or None where it is there.

    Args:
        table: its full name.
        code: the element of the tuple of columns: ``"Channel"``, or ``("channel", "string")``.
        text: what the file is to hold by then, if that is not what it holds.

    Raises:
        RequestError: the code is no such element, or the file is not written as the documents show.
    """
    path = file_of(table)
    text = _text(path) if text is None else text
    _, columns = _bronze_format(path, text)
    added = _expression(code)
    name = _column_name(added)
    if not name or ast.dump(added).partition("(")[0] != ast.dump(columns.elts[0]).partition("(")[0]:
        raise RequestError(f"{code} is no column as {path.parent.name}/{path.name} declares them")
    if any(ast.dump(each) == ast.dump(added) for each in columns.elts):
        return None
    if any(_column_name(each).casefold() == name.casefold() for each in columns.elts):
        raise RequestError(f"{table} declares a column {name} in another way; take the proposal's line out of its file")
    last = columns.elts[-1]
    own_line = last.lineno > columns.lineno
    separator = ",\n" + " " * last.col_offset if own_line else ", "
    return _inserted(path, text, last.end_lineno or 0, last.end_col_offset or 0, f"{separator}{code}")


def with_silver_column(table: str, code: str, text: str | None = None) -> Edit | None:
    """Return a silver file with one more line in its contract, after the last typed column; None where it is there.

    Args:
        table: its full name.
        code: the declaration: ``channel: T.StringType = column("...", source="Channel", nullable=True)``.
        text: what the file is to hold by then, if that is not what it holds.

    Raises:
        RequestError: the code is no such declaration, or the file is not written as the documents show.
    """
    path = file_of(table)
    text = _text(path) if text is None else text
    contract = _contract(path, text)
    try:
        (added,) = ast.parse(code.strip()).body
    except (SyntaxError, ValueError):
        added = ast.Pass()
    if not isinstance(added, ast.AnnAssign) or _source(added) is None:
        raise RequestError(f"{code!r} is no column of a contract with a source; propose again, and edit that")
    name = _target(added)
    for there in _columns(contract):
        if _target(there) == name and _source(there) == _source(added):
            return None
        if _target(there) == name:
            raise RequestError(
                f"{table} has a column {name} already, made from something else; give the new one another name"
            )
    typed = [each for each in _columns(contract) if _source(each) is not None]
    if not typed:
        raise RequestError(f"{path.parent.name}/{path.name} types no column from its source; add the line by hand")
    last = typed[-1]
    indented = "".join(f"{' ' * last.col_offset}{line}\n" for line in code.strip().splitlines())
    return _inserted(path, text, (last.end_lineno or 0) + 1, 0, indented)


def _silver(path: Path) -> SilverFile | None:
    try:
        contract, function = _contract(path), _function(path)
    except RequestError:
        return None
    reads = [arg.arg for arg in function.args.args]
    return SilverFile(
        f"silver.{path.stem}",
        reads[0].replace("_", ".", 1) if reads else "",
        path,
        {_target(each): source for each in _columns(contract) if (source := _source(each)) is not None},
        {_target(each): ast.unparse(each.annotation) for each in _columns(contract)},
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _tree(path: Path, text: str | None = None) -> ast.Module:
    try:
        return ast.parse(_text(path) if text is None else text, str(path))
    except SyntaxError as error:
        raise RequestError(f"{path} is not Python: {error}") from None


def _all(tree: ast.AST, kind: type[Node]) -> Iterator[Node]:
    return (node for node in ast.walk(tree) if isinstance(node, kind))


def _is_call_of(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == name), None)


def _bronze_format(path: Path, text: str | None = None) -> tuple[str, ast.Tuple | ast.List]:
    """Return the name of a bronze file's format, and its columns."""
    for call in _all(_tree(path, text), ast.Call):
        landing_format = _keyword(call, "landing_format") if _is_call_of(call, _BRONZE) else None
        columns = _keyword(landing_format, "columns") if isinstance(landing_format, ast.Call) else None
        if isinstance(landing_format, ast.Call) and isinstance(columns, ast.Tuple | ast.List) and columns.elts:
            return ast.unparse(landing_format.func).rpartition(".")[2], columns
    raise RequestError(
        f"{path.parent.name}/{path.name} does not write its columns out in bronze_table(landing_format=…(columns=(…)))"
    )


def _function(path: Path, text: str | None = None) -> ast.FunctionDef:
    for made in _all(_tree(path, text), ast.FunctionDef):
        if any(_is_call_of(each, _SILVER) for each in made.decorator_list):
            return made
    raise RequestError(f"{path.parent.name}/{path.name} has no function under @{_SILVER}(…)")


def _contract(path: Path, text: str | None = None) -> ast.ClassDef:
    calls = [
        each
        for each in _function(path, text).decorator_list
        if isinstance(each, ast.Call) and _is_call_of(each, _SILVER)
    ]
    named = _keyword(calls[0], "contract")
    for made in _all(_tree(path, text), ast.ClassDef):
        if isinstance(named, ast.Name) and made.name == named.id:
            return made
    raise RequestError(f"{path.parent.name}/{path.name} has no class that is the contract of its @{_SILVER}(…)")


def _columns(contract: ast.ClassDef) -> list[ast.AnnAssign]:
    return [each for each in contract.body if isinstance(each, ast.AnnAssign)]


def _target(column: ast.AnnAssign) -> str:
    return column.target.id if isinstance(column.target, ast.Name) else ""


def _source(column: ast.AnnAssign) -> str | None:
    source = _keyword(column.value, "source") if isinstance(column.value, ast.Call) else None
    return source.value if isinstance(source, ast.Constant) and isinstance(source.value, str) else None


def _expression(code: str) -> ast.expr:
    try:
        return ast.parse(code.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return ast.Constant(None)


def _column_name(element: ast.expr) -> str:
    """Return the name of a column as a format declares it, alone or with its type; empty where it is none."""
    named = element.elts[0] if isinstance(element, ast.Tuple) and element.elts else element
    return named.value if isinstance(named, ast.Constant) and isinstance(named.value, str) else ""


def _inserted(path: Path, before: str, line: int, column: int, added: str) -> Edit:
    """Insert text before a place as the syntax tree counts: lines from 1, columns in bytes."""
    lines = before.encode().splitlines(keepends=True)
    place = sum(map(len, lines[: line - 1])) + column
    after = (before.encode()[:place] + added.encode() + before.encode()[place:]).decode()
    return Edit(path, before, after)
