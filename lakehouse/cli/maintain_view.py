"""How `lakehouse maintain` shows results, to people and to programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from lakehouse.cli.console import FAILED, OK, err, how_many, number, out, print_json, table
from lakehouse.text import text_of_time

if TYPE_CHECKING:
    from lakehouse.delta.model import Commit, Description, Rewritten, Vacuumed
    from lakehouse.maintenance.operations import ByTable

_UNIT = 1024


def print_rewritten(results: ByTable[Rewritten], idle: str, *, as_json: bool) -> None:
    """Show which tables were optimized; ``idle`` says why the others were not. Leave with the exit code."""
    if as_json:
        print_json({"tables": results.done, "failed": results.failed})
    else:
        changed = {name: result for name, result in results.done.items() if result.partitions}
        made = table("table", "#version", "#partitions", "#left alone", "#files", "#size")
        for name, result in changed.items():
            files, sizes = result.files, result.bytes
            made.add_row(
                name,
                str(result.version),
                number(result.partitions),
                number(result.skipped),
                f"{files[0]:,} → {files[1]:,}",
                f"{_size(sizes[0])} → {_size(sizes[1])}",
            )
        if changed:
            out().print(made)
        if others := len(results.done) - len(changed):
            out().print(f"{how_many(others, 'table')} left alone: {idle}.")
    _leave(results.failed)


def print_vacuumed(results: ByTable[Vacuumed], *, force: bool, as_json: bool) -> None:
    """Show what a vacuum deleted, or would delete. Leave with the exit code."""
    done = results.done
    if as_json:
        print_json({"deleted": force, "tables": done, "failed": results.failed})
    else:
        made = table("table", "#files", "#size", "#out of use for")
        for name, result in done.items():
            if result.files:
                made.add_row(name, number(result.files), _size(result.bytes), f"{result.retain_hours} h")
        files, size = sum(each.files for each in done.values()), sum(each.bytes for each in done.values())
        if files:
            out().print(made)
            said = "deleted." if force else "would be deleted. Nothing is deleted yet; --force does it."
            out().print(f"{how_many(files, 'file')}, {_size(size)}, {said}")
        else:
            out().print(f"Nothing to delete in {how_many(len(done), 'table')}.")
    _leave(results.failed)


def _leave(failed: Mapping[str, str]) -> None:
    for message in failed.values():
        err().print(f"[red]error:[/] {escape(message)}", soft_wrap=True)
    raise typer.Exit(FAILED if failed else OK)


def print_history(commits: Sequence[Commit]) -> None:
    """Show versions, newest first."""
    made = table("#version", "at, UTC", "operation", "what", "by")
    for commit in commits:
        made.add_row(
            str(commit.version), f"{commit.at:%Y-%m-%d %H:%M:%S}", commit.operation, escape(_what(commit)), _by(commit)
        )
    out().print(made)


def _what(commit: Commit) -> str:
    """Say in a few words what a commit did: the predicate, the order, the version restored."""
    said = {name: _plain(commit.parameters.get(name)) for name in _TOLD}
    return ", ".join(f"{_TOLD[name]} {value}" for name, value in said.items() if value)


def _plain(value: Any) -> str:
    """Return a parameter of a commit, which may be a list in JSON, as people read it."""
    text = str(value or "")
    if text.startswith("["):
        text = ", ".join(json.loads(text))
    return text if len(text) <= _LONGEST_PARAMETER else f"{text[:_LONGEST_PARAMETER]}…"


_TOLD = {"predicate": "where", "zOrderBy": "in order of", "clusterBy": "in clusters of", "version": "to version"}
_LONGEST_PARAMETER = 80


def _by(commit: Commit) -> str:
    """Say who made a commit: a run, a command, or the library that knows no more."""
    kept = commit.metadata
    if "run_id" in kept:
        return f"run {kept['run_id'][:8]}"
    return f"lakehouse {kept['command']}" if "command" in kept else escape(commit.engine)


def print_description(found: Description) -> None:
    """Show what a table's log says of it."""
    console = out()
    if found.description:
        console.print(f"{escape(found.description)}\n", soft_wrap=True)
    columns = table("column", "type", "may be null", "partition")
    for column in found.columns:
        is_partition = column.name in found.partition_columns
        columns.add_row(
            column.name,
            str(column.type).replace("decimal128", "decimal"),
            "yes" if column.nullable else "no",
            "yes" if is_partition else "",
        )
    console.print(columns)
    small = f", {found.small_files:,} of them small ones to optimize" if found.small_files else ""
    facts = {
        "location": found.location,
        "version": f"{found.version}, made {text_of_time(found.created)}",
        "rows": number(found.rows) or "not counted",
        "files": f"{found.files:,} in {how_many(found.partitions, 'partition')}, {_size(found.bytes)}{small}",
        "protocol": " ".join([f"reader {found.protocol[0]}, writer {found.protocol[1]}", *found.features]),
        "properties": ", ".join(f"{name}={value}" for name, value in sorted(found.properties.items())) or "none",
        "last optimized": _last(found.optimized),
        "last vacuumed": _last(found.vacuumed),
    }
    for name, fact in facts.items():
        console.print(f"[bold]{name:<15}[/]{escape(fact)}", soft_wrap=True)


def _last(commit: Commit | None) -> str:
    return "never, as far as the log goes" if commit is None else f"{text_of_time(commit.at)}, version {commit.version}"


def _size(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < _UNIT:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= _UNIT
    return f"{size:,.1f} TB"
