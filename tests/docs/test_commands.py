"""The commands that README, setup and data flow show, run in their order by a first-time user in a fresh copy."""

from __future__ import annotations

import importlib.util
import re

import boto3
import pytest

from lakehouse.cli.main import app
from lakehouse.settings import Settings
from tests.docs.pages import PAGES, Command, Shell, commands, page
from tests.s3_server import s3_environment
from tests.servers import in_environment


def run_all(shell: Shell, text: str) -> None:
    """Run the commands of a page; one that is shown twice is run where its output is shown."""
    steps = [step for step in commands(text) if step.is_run]
    assert steps
    with_output = {step.line for step in steps if step.shown}
    for step in steps:
        if step.shown or step.line not in with_output:
            shell.run(step)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Shell:
    """A copy that pages go through one after the other, as people do: what one has made, the next finds there."""
    return Shell(tmp_path_factory.mktemp("checkout"))


@pytest.mark.parametrize("name", ["README.md", "docs/setup.md", "docs/reconcile_and_trace.md"])
def test_the_commands_of_a_page_about_the_demo_work_and_print_what_it_shows(checkout, name, monkeypatch):
    monkeypatch.setattr(checkout, "environment", {**checkout.environment})  # what a page exports ends with it
    run_all(checkout, page(name))


@pytest.mark.long
@pytest.mark.parametrize("name", ["docs/quarantine.md", "docs/data_flow.md"])
def test_the_commands_of_a_page_work_and_print_what_it_shows(tmp_path, name):
    run_all(Shell(tmp_path), page(name))


def test_the_commands_of_maintenance_work_on_a_lake_of_two_days(tmp_path):
    shell = Shell(tmp_path)
    for day in ("2010-12-01", "2010-12-02"):
        shell.write(f".lakehouse/landing/transactions/{day}.csv", page(f"data/online_retail/{day}.csv"))
    shell.run(Command("lakehouse run"))
    run_all(shell, page("docs/maintenance.md"))


@pytest.mark.long
def test_a_lake_in_a_bucket_works_as_the_page_on_object_storage_shows(tmp_path, run_folder, monkeypatch):
    environment = s3_environment(run_folder)
    in_environment(monkeypatch, "AWS_", {**environment, "AWS_DEFAULT_REGION": "us-east-1"})
    boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"]).create_bucket(Bucket="retail")
    in_environment(monkeypatch, "AWS_", {})
    shown = page("docs/object_storage.md")
    assert "http://localhost:9000" in shown
    shell = Shell(tmp_path)
    run_all(shell, shown.replace("http://localhost:9000", environment["AWS_ENDPOINT_URL"]))
    counted = shell.output('lakehouse query --csv "SELECT sum(lines) > 3000 AS enough FROM gold.daily_sales_summary"')
    assert counted.split() == ["enough", "true"]


def test_the_reference_names_every_subcommand():
    named = {command.name or command.callback.__name__ for command in app.registered_commands}
    named |= {group.name for group in app.registered_groups}
    assert len(named) >= 8
    assert {name for name in named if f"| `lakehouse {name}` |" not in page("docs/commands.md")} == set()


def test_every_setting_is_explained_with_its_default():
    defaults = {name: field.default for name, field in Settings.model_fields.items()} | {"landing": "<root>/landing"}
    for setting, default in defaults.items():
        assert f"| `LAKEHOUSE_{setting.upper()}` | `{default}` |" in page("docs/settings.md")


def test_every_make_target_a_page_shows_exists():
    targets = set(re.findall(r"^([a-z-]+):.*## ", page("Makefile"), re.MULTILINE))
    shown = {
        word
        for name in ("README.md", "docs/setup.md", "docs/add_a_table.md", "docs/object_storage.md")
        for word in re.findall(r"\bmake ([a-z-]+)\b(?=[`\n ])", "\n".join(re.findall(r"`[^`\n]+`", page(name))))
    }
    assert {"demo", "dev", "setup", "docs"} <= shown
    assert shown <= targets


def test_every_benchmark_a_page_shows_exists():
    shown = {
        name for path in PAGES for name in re.findall(r"python -m (bench[.\w]*)", path.read_text(encoding="utf-8"))
    }
    assert len(shown) >= 3
    assert {name for name in shown if importlib.util.find_spec(name) is None} == set()
