"""`docs/tutorial.md` and `docs/reading_gold.md`: a file becomes a number, by the commands and the scripts shown."""

from __future__ import annotations

import pytest

from tests.docs.pages import Command, Shell, commands, files, page

TUTORIAL = "docs/tutorial.md"
READING = "docs/reading_gold.md"


@pytest.fixture(scope="module")
def shell(tmp_path_factory) -> Shell:
    """A fresh copy of the repository with the tutorial's file in its landing zone."""
    shell = Shell(tmp_path_factory.mktemp("tutorial"))
    for path, text in files(page(TUTORIAL)).items():
        shell.write(path, text)
    return shell


def test_the_tutorial_goes_from_its_file_to_the_numbers_it_shows(shell):
    assert list(files(page(TUTORIAL))) == [".lakehouse-tutorial/landing/transactions/2024-03-01.csv"]
    steps = list(commands(page(TUTORIAL)))
    assert sum(bool(step.shown) for step in steps) >= 6
    for step in steps:
        shell.run(step)


def test_the_scripts_about_reading_gold_run_on_the_lake_of_the_tutorial(shell):
    scripts = files(page(READING))
    assert list(scripts) == ["first_session.py", "eight_threads.py"]
    for path, text in scripts.items():
        shell.write(path, text)
    shell.run(Command("export LAKEHOUSE_ROOT=.lakehouse-tutorial"))
    told = shell.output("python first_session.py")
    assert "'country': 'France', 'net_sales': Decimal('14.850')" in told
    assert "missing_table: gold.no_such_table has never been written" in told
    assert shell.output("python eight_threads.py").splitlines()[-1] == "[2, 2, 2, 2, 2, 2, 2, 2]"
