"""What `lakehouse maintain` has to say, for people and for programs.

Belongs here: tables, sizes and sentences. What is done is for ``maintain``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from lakehouse.cli.console import FAILED, OK, err, number, out, print_json, table
from lakehouse.text import text_of_time

if TYPE_CHECKING:
    from rich.console import Console

    from lakehouse.delta.model import Commit, Description, Partition, Restoration, Rewritten, Vacuumed

_SHOWN_PARTITIONS = 20
_UNIT = 1024


def tell_rewritten(done: Mapping[str, Rewritten], failed: Mapping[str, str], idle: str, *, as_json: bool) -> None:
    """Tell which tables were optimized; ``idle`` says why the others were not. Leave with the exit code."""
    if as_json:
        print_json({"tables": done, "failed": failed})
    else:
        changed = {name: result for name, result in done.items() if result.partitions}
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
        if others := len(done) - len(changed):
            out().print(f"{_count(others, 'table')} left alone: {idle}.")
    _leave(failed)


def tell_vacuumed(done: Mapping[str, Vacuumed], failed: Mapping[str, str], *, force: bool, as_json: bool) -> None:
    """Tell what a vacuum deleted, or would delete. Leave with the exit code."""
    if as_json:
        print_json({"deleted": force, "tables": done, "failed": failed})
    else:
        made = table("table", "#files", "#size", "#out of use for")
        for name, result in done.items():
            if result.files:
                made.add_row(name, number(result.files), _size(result.bytes), f"{result.retain_hours} h")
        files, size = sum(each.files for each in done.values()), sum(each.bytes for each in done.values())
        if files:
            out().print(made)
            said = "deleted." if force else "would be deleted. Nothing is deleted yet; --force does it."
            out().print(f"{_count(files, 'file')}, {_size(size)}, {said}")
        else:
            out().print(f"Nothing to delete in {_count(len(done), 'table')}.")
    _leave(failed)


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


def print_restoration(plan: Restoration, restored: int | None, follow: Sequence[Mapping[str, Any]]) -> None:
    """Tell what a restore has done, or would do, and what must follow it."""
    console = out()
    made = table("partition", "#rows now", f"#rows at version {plan.version}")
    for change in plan.changes[:_SHOWN_PARTITIONS]:
        made.add_row(escape(_partition(change.partition)), _rows(change.rows_before), _rows(change.rows_after))
    if plan.changes:
        console.print(made)
        if (more := len(plan.changes) - _SHOWN_PARTITIONS) > 0:
            console.print(f"and {_count(more, 'partition')} more")
    else:
        console.print("No partition has other files in the two versions.")
    if plan.missing:
        console.print(
            f"[red]It cannot be restored:[/] {_count(plan.missing, 'file')} of version {plan.version} have been "
            "deleted by a vacuum."
        )
        return
    if restored is None:
        console.print(
            f"Nothing is changed yet. {plan.table} is at version {plan.newest}; --yes makes version {plan.version} its "
            "newest."
        )
    else:
        console.print(
            f"{plan.table} is at version {restored} now, which is version {plan.version} again. To undo: "
            f"`lakehouse maintain restore {plan.table} --version {plan.newest} --yes`",
            soft_wrap=True,
        )
    _print_rebuilds(console, plan.table, follow)


def _print_rebuilds(console: Console, name: str, follow: Sequence[Mapping[str, Any]]) -> None:
    if not follow:
        return
    console.print(
        f"What is made from {name} must be made anew then: in the UI of `lakehouse dev`, materialize these partitions, "
        "or run these commands; `lakehouse run` then brings on what follows from them.",
        soft_wrap=True,
    )
    for each in follow:
        console.print(f"  {each['table']} {each['first']} to {each['last']}", soft_wrap=True)
        console.print(f"    {escape(each['command'])}", soft_wrap=True, style="dim")


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
        "files": f"{found.files:,} in {_count(found.partitions, 'partition')}, {_size(found.bytes)}{small}",
        "protocol": " ".join([f"reader {found.protocol[0]}, writer {found.protocol[1]}", *found.features]),
        "properties": ", ".join(f"{name}={value}" for name, value in sorted(found.properties.items())) or "none",
        "last optimized": _last(found.optimized),
        "last vacuumed": _last(found.vacuumed),
    }
    for name, fact in facts.items():
        console.print(f"[bold]{name:<15}[/]{escape(fact)}", soft_wrap=True)


def _last(commit: Commit | None) -> str:
    return "never, as far as the log goes" if commit is None else f"{text_of_time(commit.at)}, version {commit.version}"


def _partition(partition: Partition) -> str:
    return ", ".join("none" if value is None else value for _, value in partition) or "the whole table"


def _rows(rows: int | None) -> str:
    return "not counted" if rows is None else number(rows)


def _count(many: int, word: str) -> str:
    return f"{many:,} {word}{'' if many == 1 else 's'}"


def _size(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < _UNIT:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= _UNIT
    return f"{size:,.1f} TB"
