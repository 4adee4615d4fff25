"""The `lakehouse` command: its subcommands and how it starts."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from typing import Annotated

import typer

from lakehouse.cli import console, contract, maintain, quarantine, rules
from lakehouse.cli.demo import demo
from lakehouse.cli.dev import dev
from lakehouse.cli.drift import drift
from lakehouse.cli.generate import generate
from lakehouse.cli.lineage import lineage
from lakehouse.cli.plan import plan
from lakehouse.cli.profile import profile
from lakehouse.cli.query import query
from lakehouse.cli.reconcile import reconcile
from lakehouse.cli.run import run
from lakehouse.cli.status import status
from lakehouse.cli.trace import trace

app = console.group(
    "Files land, gold appears: a retail lakehouse from the command line.\n\n"
    "The environment says which lake: `LAKEHOUSE_ROOT` (default `./.lakehouse`), `LAKEHOUSE_LANDING` "
    "(default `<root>/landing`), `LAKEHOUSE_START_DATE` (default 2010-12-01)."
)


def _version(asked: bool) -> None:  # noqa: FBT001 - how Typer hands over an option
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"lakehouse {version('retail-lakehouse')}")
        except PackageNotFoundError:
            typer.echo("lakehouse, from a checkout that is not installed")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


READERS = {"query", "status", "quarantine", "reconcile", "drift"}
"""The commands that only read tables, and need no engine for it."""
WITH_ENGINE = {"--strict", "fix", "replay", "discard", "release", "explain"}
"""Words that make them compute."""

app.command()(demo)
app.command()(generate)
app.command()(run)
app.command()(plan)
app.command()(status)
app.command()(query)
app.add_typer(quarantine.app, name="quarantine")
app.command()(reconcile)
app.command()(trace)
app.command()(lineage)
app.command()(drift)
app.add_typer(contract.app, name="contract")
app.add_typer(rules.app, name="rules")
app.command()(profile)
app.add_typer(maintain.app, name="maintain")
app.command()(dev)


class _WithoutPandas(MetaPathFinder):
    """Hides pandas: pyarrow.dataset imports it where it can, which takes a second, and then has no use for it."""

    is_needed = False

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Refuse pandas until Pandera is imported, which needs it, and leave every other module to the next finder."""
        del path, target
        self.is_needed |= fullname == "pandera"
        if fullname == "pandas" and not self.is_needed:
            raise ModuleNotFoundError("pandas is hidden from commands that only read")


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] and sys.argv[1] in READERS and not {*sys.argv[2:]} & WITH_ENGINE:
        sys.meta_path.insert(0, _WithoutPandas())
    app(prog_name="lakehouse")
