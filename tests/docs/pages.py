"""Reading the documents, and running what they show in a copy of the repository.

Belongs here: finding code blocks, links and commands in Markdown, and a shell whose ``lakehouse`` and ``make`` are the
copy's. What the documents must show is for the tests.

``sh`` blocks hold commands; each must exit with 0. ``console`` blocks hold commands after ``$`` and what they print,
perhaps shortened: the lines shown, or their beginnings, must come in the output in their order. Seconds may differ,
and so may spaces.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
COPIED = (
    "lakehouse",
    "lakehouse_assets",
    "io_managers",
    "resources",
    "sensors",
    "instance",
    "examples",
    "bench",
    "data",
    "tests",
    "Makefile",
    "pyproject.toml",
    "requirements.lock",
    "workspace.yaml",
)

_BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^`(?P<path>[\w./-]+)`\n\n```\w+\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_CONTINUED = re.compile(r"\\\n\s*")
_ELSEWHERE = (
    "git clone ",
    "cd ",
    "source ",
    "make setup",
    "make dev",
    "make test",
    "make lint",
    "make bench",
    "python -m bench",
)
"""Commands that are not run here: they install, never end, run these very tests, or measure for minutes."""


@dataclass(frozen=True)
class Command:
    """A command of a page, and the lines it is shown to print."""

    line: str
    shown: tuple[str, ...] = ()

    @property
    def is_run(self) -> bool:
        """Whether it is run in these tests."""
        return not self.line.startswith(_ELSEWHERE)


def page(name: str) -> str:
    """Return a page's Markdown."""
    return (REPOSITORY / name).read_text(encoding="utf-8")


def files(text: str) -> dict[str, str]:
    """Return the files a page shows: blocks that come right after their path."""
    return {found["path"]: found["body"] for found in _FILE.finditer(text)}


def commands(text: str) -> Iterator[Command]:
    """Return the commands of a page, or of a part of it, in their order."""
    for block in _BLOCK.finditer(text):
        body = _CONTINUED.sub("", block["body"])
        if block["kind"] == "sh":
            yield from (Command(line) for line in body.splitlines() if line and not line.startswith("#"))
        elif block["kind"] == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                line, *shown = part.splitlines()
                yield Command(line, tuple(_plain(each) for each in shown if _plain(each)))


def _plain(line: str) -> str:
    """Return a line without what may differ: spaces, rules of a table, and seconds."""
    return re.sub(r"\d+\.\d s\b", "N s", " ".join(line.replace("─", " ").split()))


class Shell:
    """A shell in a copy of the repository, with the environment of a first-time user."""

    def __init__(self, folder: Path) -> None:
        """Copy the repository's packages into a folder, with a virtual environment that is ready."""
        self.root = folder / "retail-lakehouse"
        self.root.mkdir()
        for name in COPIED:
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, self.root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, self.root / name)
        (self.root / "deploy").symlink_to(REPOSITORY / "deploy")  # with Spark's jars, if they are made
        programs = self.root / ".venv" / "bin"
        programs.mkdir(parents=True)
        _script(programs / "lakehouse", f'PYTHONPATH="{self.root}" exec "{sys.executable}" -m lakehouse "$@"')
        _script(programs / "python", f'exec "{sys.executable}" "$@"')
        (self.root / ".venv" / ".ready").touch()  # newer than the lock: nothing is installed
        own = {name: value for name, value in os.environ.items() if not name.startswith(("LAKEHOUSE_", "DAGSTER_"))}
        path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {**own, "PATH": path, "COLUMNS": "200"}

    def write(self, path: str, text: str) -> None:
        """Write a new file; an existing one is never edited.

        Raises:
            FileExistsError: it exists.
        """
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)

    def run(self, command: Command) -> None:
        """Run a command as it is shown; what it exports is there for the next.

        Raises:
            AssertionError: it did not exit with 0, or did not print what is shown.
        """
        if command.line.startswith("export "):
            name, _, value = command.line.removeprefix("export ").partition("=")
            self.environment[name] = value
            return
        text = self.output(command.line)
        printed = iter([_plain(line) for line in text.splitlines()])
        for line in command.shown:
            assert any(each.startswith(line) for each in printed), (
                f"not printed, or not in this place: {line!r}\n{command.line}\n{text}"
            )

    def output(self, line: str) -> str:
        """Return what a command prints.

        Raises:
            AssertionError: it did not exit with 0.
        """
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"exit code {done.returncode}: {line}\n{done.stdout}"
        return done.stdout


def _script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
