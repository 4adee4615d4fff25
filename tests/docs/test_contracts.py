"""`docs/contracts.md`: the rules of its example do to the rows of its file what it shows."""

from __future__ import annotations

from lakehouse.contracts import partition_rules as day_rules
from lakehouse.contracts import rule_compiler as rules
from tests.docs.pages import Shell, commands, files, page

PAGE = "docs/contracts.md"


def test_the_example_judges_its_rows_as_the_page_shows(tmp_path):
    shell = Shell(tmp_path)
    shown = files(page(PAGE))
    assert [path.rpartition("/")[0] for path in shown] == [
        "lakehouse_assets/bronze",
        "lakehouse_assets/silver",
        ".lakehouse/landing/deliveries",
    ]
    for path, text in shown.items():
        shell.write(path, text)
    steps = list(commands(page(PAGE)))
    assert sum(bool(step.shown) for step in steps) >= 4
    for step in steps:
        shell.run(step)


def test_the_page_names_every_day_rule_and_what_is_there():
    for name in ("volume", "total", "duplicates", "hours"):
        assert callable(getattr(day_rules, name))
        assert f"| `{name}(" in page(PAGE)


def test_the_page_names_every_check_of_a_column():
    short = {"greater_than": "gt", "greater_than_or_equal_to": "ge", "less_than": "lt", "less_than_or_equal_to": "le"}
    for check in rules._PASSES:  # noqa: SLF001 - what can judge a row
        assert f"`{short.get(check, check)}`" in page(PAGE)
