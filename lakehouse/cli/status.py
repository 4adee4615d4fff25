"""`lakehouse status`: what is in the lake, what is held, and what still lies in the landing zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from lakehouse.cli.console import JsonFlag, how_many, number, out, print_json, table
from lakehouse.cli.process import PROCESS
from lakehouse.cli.run import print_held
from lakehouse.project import Lakehouse

if TYPE_CHECKING:
    from lakehouse.project import LakeStatus
    from lakehouse.settings import Settings

_SHOWN_FILES = 10


def status(*, as_json: JsonFlag = False) -> None:
    """Show every table, the held days with their reasons, and the landing files that are not in the lake."""
    PROCESS.only_reads()
    lake = Lakehouse.open()
    found = lake.status()
    if as_json:
        print_json(
            {
                "root": lake.settings.root,
                "landing_zone": lake.settings.landing,
                **vars(found),
                "drift": [column.as_data() for column in found.drift],
            }
        )
        return
    _print(lake.settings, found)


def _print(settings: Settings, found: LakeStatus) -> None:
    console, landing = out(), found.landing
    if found.tables:
        made = table("table", "#rows", "#parts", "#newest", "#rejected", "#held", "#commit, UTC")
        for each in found.tables:
            made.add_row(
                each.name,
                number(each.rows),
                number(each.partitions),
                str(each.newest_partition or ""),
                number(each.quarantined or None),
                number(each.held or None),
                f"v{each.delta_version} {each.last_commit:%m-%d %H:%M}",
            )
        console.print(made)
    else:
        console.print(f"There are no tables under {escape(settings.root)} yet.", soft_wrap=True)
    print_held(found.held)
    console.print(f"landing zone {escape(settings.landing)}: {landing.known:,} files taken in", soft_wrap=True)
    if landing.pending:
        waiting = f"{how_many(len(landing.pending), 'file')} to take in by `lakehouse run`: {_some(landing.pending)}"
        console.print(waiting, soft_wrap=True)
    for file in landing.unroutable:
        console.print(f"[yellow]nobody takes {escape(file.key)}:[/] {escape(file.why)}", soft_wrap=True)
    for source in landing.unfinished:
        console.print(
            f"the ingestion of {source} is not finished: it is running, or `lakehouse run` finishes it", soft_wrap=True
        )
    for column in found.drift:
        console.print(f"drift: {column.source}: {escape(column.sentence)} (`lakehouse drift`)", soft_wrap=True)


def _some(keys: list[str]) -> str:
    shown = ", ".join(escape(key) for key in keys[:_SHOWN_FILES])
    return f"{shown}, …" if len(keys) > _SHOWN_FILES else shown
