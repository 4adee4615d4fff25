"""`docs/rules_that_are_tested.md`: its commands answer as it shows, and it names every kind of fault."""

from __future__ import annotations

import pytest

from lakehouse.rule_testing.faults import KINDS
from tests.docs.pages import Shell, commands, page

PAGE = "docs/rules_that_are_tested.md"


@pytest.mark.long
def test_the_commands_of_the_page_answer_as_it_shows(tmp_path):
    shell = Shell(tmp_path)
    steps = list(commands(page(PAGE)))
    assert sum(bool(step.shown) for step in steps) == 4
    for step in steps:
        shell.run(step)


def test_the_page_names_every_kind_of_fault():
    assert [
        line.split("`")[1] for line in page(PAGE).splitlines() if line.startswith("| `") and "lakehouse" not in line
    ] == list(KINDS)
