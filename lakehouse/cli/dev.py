"""`lakehouse dev`: the Dagster UI, its daemon and the sensors on this lake, until somebody stops them.

Belongs here: starting and stopping `dagster dev`, and which of its lines people see. How Dagster is configured is
`instance`'s matter.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lakehouse.cli.console import FAILED, CommandError, err
from lakehouse.orchestration.run_lock import alone
from lakehouse.project import Lakehouse
from lakehouse.settings import Settings
from lakehouse.storage.files import is_local

HOST = "127.0.0.1"
WORKSPACE = """load_from:
  - python_module:
      module_name: {module}
      location_name: lakehouse
      working_directory: {project}
"""
"""What Dagster loads. A location's name stands in the sensors' state: it is the one that ``pyproject.toml`` gives."""
PATIENCE_SECONDS = 20.0
"""How long a stop waits for the runs under way; what is left then is killed, and the next start makes it good."""
GRACE_SECONDS = 3.0
START_SECONDS = 120.0

_RUN = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_RECORD = re.compile(
    r"^(?:\x1b\[\d+m)?\d{4}-\d\d-\d\d (?P<time>\d\d:\d\d:\d\d) \S+ - (?P<logger>dagster\S*) - "
    r"(?P<level>[A-Z]+) - (?P<message>.*)$"
)
_OF_A_RUN = re.compile(rf"^\S+ - (?P<run>{_RUN}) - (?:\d+ - )?(?:\w+__\w+ - )?(?P<message>.*)$")
_COLOUR = re.compile(r"\x1b\[\d+m")
_REPEATED = re.compile(r"No cursor for event type|Dependencies for step|RUN_FAILURE - .*Steps failed: ")
"""What Dagster says on every first start, and what follows from a step's failure, which it has told before."""


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
        raise typer.Exit(_serve(port, workspace, project, _environment(settings, project, home)))


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


def _serve(port: int, workspace: Path, project: Path, environment: dict[str, str]) -> int:
    """Run Dagster until it ends or a signal asks for it, and leave no process behind.

    Returns:
        The exit code: 0 when it was asked to stop.
    """
    signals: list[int] = []
    # Handlers of our own: a shell that starts a job in the background has it ignore SIGINT, and children inherit that.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: signals.append(received))
    command = [sys.executable, "-m", "dagster", "dev", "--host", HOST, "--port", str(port), "--log-level", "warning"]
    command += ["--workspace", str(workspace)]
    dagster = subprocess.Popen(  # noqa: S603 - our own command
        command,
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # a group of its own: the terminal's Ctrl-C reaches us only, and we end all of it
    )
    for work in (lambda: _show(dagster.stdout or (), port), lambda: _tell_when_ready(dagster, port)):
        threading.Thread(target=work, daemon=True).start()
    while dagster.poll() is None and not signals:
        time.sleep(0.2)
    if not signals:
        err().print("[red]error:[/] Dagster ended unexpectedly; the lines above say why")
    _stop(dagster, signals)
    return 0 if signals else FAILED


def _stop(dagster: subprocess.Popen[str], signals: list[int]) -> None:
    """End Dagster's processes: let runs finish for a while, then end what is left. A second signal ends all at once."""
    asked = len(signals)
    err().print("Stopping; runs under way are finished first. Ctrl-C again stops at once.")
    if dagster.poll() is None:
        dagster.send_signal(signal.SIGINT)  # `dagster dev` stops its own children in order
    for then, patience in ((signal.SIGTERM, PATIENCE_SECONDS), (signal.SIGKILL, GRACE_SECONDS)):
        if _ended(dagster, patience, hurry=lambda: len(signals) > asked):
            break
        _signal_all(dagster.pid, then)
    else:
        _ended(dagster, GRACE_SECONDS, hurry=lambda: False)
    err().print("Stopped.")


def _ended(dagster: subprocess.Popen[str], seconds: float, hurry: Callable[[], bool]) -> bool:
    """Wait until no process of Dagster's group is left; False when some are after the time, or there is a hurry."""
    deadline = time.monotonic() + seconds
    while True:
        dagster.poll()
        if not _signal_all(dagster.pid, 0):
            return True
        if time.monotonic() > deadline or hurry():
            return False
        time.sleep(0.1)


def _signal_all(group: int, number: int) -> bool:
    """Send a signal to every process of a group; False when there is none. Signal 0 only asks."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # how macOS speaks of processes that have ended and wait for their parent
        return False
    return True


def _tell_when_ready(dagster: subprocess.Popen[str], port: int) -> None:
    from urllib.request import urlopen

    deadline = time.monotonic() + START_SECONDS
    while dagster.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"http://{HOST}:{port}/server_info", timeout=1):
                err().print(f"[green]Ready:[/] http://{HOST}:{port}")
                return
        except OSError:
            time.sleep(0.3)


def _show(lines: Iterable[str], port: int) -> None:
    for line in readable(lines, f"http://{HOST}:{port}"):
        err().print(line, markup=False, highlight=False, soft_wrap=True)


def readable(lines: Iterable[str], ui: str) -> Iterator[str]:
    """Return what people want to see of Dagster's output.

    That is what runs report, one line each and without Dagster's own steps; a failure with a link to its run, which
    shows its traceback; and all that is not a run's, such as why definitions do not load.
    """
    hidden = False
    for raw in lines:
        line = _COLOUR.sub("", raw.rstrip("\n"))
        record = _RECORD.match(line)
        if record is None:  # the rest of the record before it
            if not hidden and line:
                yield line
            continue
        run = _OF_A_RUN.match(record["message"])
        message = run["message"] if run else record["message"]
        told = record["level"] == "DEBUG" or _REPEATED.match(message) is not None
        hidden = told or run is not None
        if told:
            continue
        link = f" - {ui}/runs/{run['run']}" if run and record["level"] in {"ERROR", "CRITICAL"} else ""
        yield f"{record['time']} {message.removeprefix('STEP_FAILURE - ')}{link}"
