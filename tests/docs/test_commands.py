"""The commands that README, setup and data flow show, run in their order by a first-time user in a fresh copy."""

from __future__ import annotations

import importlib.util
import re

import boto3
import pytest
from moto.server import ThreadedMotoServer

from cli.main import app
from resources.settings import Settings
from tests.docs.pages import PAGES, REPOSITORY, Shell, commands, page

S3_SECTION = "## Files on S3"
BUCKET, KEY = "retail", "landing/transactions/2010-12-01.csv"


def section(text: str, heading: str) -> str:
    """Return the part of a page from a heading to the next one."""
    return re.split(r"^## ", text.split(heading, 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def run_all(shell: Shell, text: str) -> None:
    """Run the commands of a page; one that is shown twice is run where its output is shown."""
    steps = [step for step in commands(text) if step.is_run]
    assert steps
    with_output = {step.line for step in steps if step.shown}
    for step in steps:
        if step.shown or step.line not in with_output:
            shell.run(step)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README.md", "docs/data_flow.md"])
def test_the_commands_of_a_page_work_and_print_what_it_shows(tmp_path, name):
    run_all(Shell(tmp_path), page(name))


@pytest.mark.slow
def test_the_commands_of_setup_work(tmp_path):
    setup = page("docs/setup.md")
    run_all(Shell(tmp_path), setup.replace(section(setup, S3_SECTION), ""))


@pytest.mark.slow
def test_files_on_s3_are_taken_in_as_setup_shows(tmp_path):
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        client = boto3.client(
            "s3",
            endpoint_url=address,
            aws_access_key_id="reader",
            aws_secret_access_key="secret",  # noqa: S106 - moto's server takes any
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=BUCKET)
        day = REPOSITORY / "data" / "online_retail" / "2010-12-01.csv"
        client.put_object(Bucket=BUCKET, Key=KEY, Body=day.read_bytes())
        shell = Shell(tmp_path)
        shown = section(page("docs/setup.md"), S3_SECTION)
        assert "http://localhost:9000" in shown
        run_all(shell, shown.replace("http://localhost:9000", address))
        counted = shell.output(
            'lakehouse query --csv "SELECT sum(lines) > 3000 AS enough FROM gold.daily_sales_summary"'
        )
    finally:
        server.stop()
    assert counted.split() == ["enough", "true"]


def test_the_readme_names_every_subcommand():
    named = {command.name or command.callback.__name__ for command in app.registered_commands}
    named |= {group.name for group in app.registered_groups}
    assert len(named) >= 8
    assert {name for name in named if f"| `lakehouse {name}` |" not in page("README.md")} == set()


@pytest.mark.parametrize("name", ["README.md", "docs/setup.md"])
def test_every_setting_is_explained_with_its_default(name):
    defaults = {
        "root": "`./.lakehouse`",
        "landing": "`<root>/landing`",
        "start_date": f"`{Settings.model_fields['start_date'].default}`",
    }
    assert set(defaults) == set(Settings.model_fields)
    for setting, default in defaults.items():
        assert f"| `LAKEHOUSE_{setting.upper()}` | {default} |" in page(name)


def test_every_make_target_a_page_shows_exists():
    targets = set(re.findall(r"^([a-z-]+):.*## ", page("Makefile"), re.MULTILINE))
    shown = {
        word
        for name in ("README.md", "docs/setup.md", "docs/add_a_table.md")
        for word in re.findall(r"\bmake ([a-z-]+)\b(?=[`\n ])", "\n".join(re.findall(r"`[^`\n]+`", page(name))))
    }
    assert {"demo", "dev", "test", "setup"} <= shown
    assert shown <= targets


def test_every_benchmark_a_page_shows_exists():
    shown = {
        name for path in PAGES for name in re.findall(r"python -m (bench[.\w]*)", path.read_text(encoding="utf-8"))
    }
    assert len(shown) >= 3
    assert {name for name in shown if importlib.util.find_spec(name) is None} == set()
