"""`lakehouse dev`: the Dagster UI, its daemon and the sensors on this lake, until somebody stops them."""

from __future__ import annotations

import importlib
import json
import os
import socket
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lakehouse.cli.console import CommandError, err
from lakehouse.cli.dev_server import HOST, serve
from lakehouse.orchestration.run_lock import alone
from lakehouse.project import Lakehouse
from lakehouse.settings import Settings
from lakehouse.storage.files import is_local

WORKSPACE = """load_from:
  - python_module:
      module_name: {module}
      location_name: lakehouse
      working_directory: {project}
"""
"""What Dagster loads. A location's name stands in the sensors' state: it is the one that ``pyproject.toml`` gives."""


def dev(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
) -> None:
    """Start the Dagster UI, the daemon and the sensors: what lands from now on reaches gold without a command."""
    lake = Lakehouse.open()
    settings, project = lake.settings, _project(lake)
    _refuse_taken(port)
    home = settings.dagster_home
    from lakehouse.orchestration.instance.home import prepare_home

    prepare_home(home)
    if is_local(settings.landing):
        for source in lake.source_names:
            Path(settings.landing, source).mkdir(parents=True, exist_ok=True)
    workspace = home / "workspace.yaml"
    workspace.write_text(
        WORKSPACE.format(module=lake.application.module, project=json.dumps(str(project))), encoding="utf-8"
    )
    with alone(settings):
        _say_where(lake, port)
        raise typer.Exit(serve(port, workspace, project, _environment(settings, project, home)))


def _project(lake: Lakehouse) -> Path:
    """Return the folder that Dagster imports the project's packages from."""
    if lake.application.root is not None:
        return lake.application.root
    package = importlib.import_module(lake.application.package)
    return Path(next(iter(package.__path__))).parent


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left is free
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CommandError(
                f"port {port} of {HOST} is taken, perhaps by another `lakehouse dev`; stop that one, or choose another "
                f"port: lakehouse dev --port {port + 1}"
            ) from error


def _environment(settings: Settings, project: Path, home: Path) -> dict[str, str]:
    """Return the environment of Dagster's processes: the same lake, wherever they are started from."""
    path = os.pathsep.join(filter(None, [str(project), os.environ.get("PYTHONPATH", "")]))
    return {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "LAKEHOUSE_ROOT": settings.root,
        "LAKEHOUSE_LANDING": settings.landing,
        "LAKEHOUSE_START_DATE": settings.start_date.isoformat(),
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore:Function `dev_command` is superseded",  # by `dg`, which is one more package
    }


def _say_where(lake: Lakehouse, port: int) -> None:
    settings = lake.settings
    said = {
        "Dagster UI": f"http://{HOST}:{port} (starting; this takes some seconds)",
        "drop files": f"{settings.landing}/<source>/<yyyy-mm-dd>.csv, .csv.gz, .jsonl, .jsonl.gz or .parquet",
        "sources": ", ".join(lake.source_names),
        "read gold": 'lakehouse query "FROM gold.daily_sales_summary"',
        "the lake": settings.root,
        "stop": "Ctrl-C",
    }
    for name, text in said.items():
        err().print(f"[bold]{name:<12}[/]{escape(text)}", soft_wrap=True, highlight=False)
