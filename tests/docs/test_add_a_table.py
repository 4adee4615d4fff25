"""`docs/add_a_table.md`: its files make the table it promises, and nothing else is edited."""

from __future__ import annotations

from tests.docs.pages import Shell, commands, files, page

PAGE = "docs/add_a_table.md"


def test_the_files_of_the_page_and_its_commands_give_the_answers_it_shows(tmp_path):
    shell = Shell(tmp_path)
    shown = files(page(PAGE))
    assert [path.rpartition("/")[0] for path in shown] == [
        "lakehouse_assets/bronze",
        "lakehouse_assets/silver",
        "lakehouse_assets/gold",
        "tests/lakehouse_assets/silver",
        ".lakehouse/landing/visits",
    ]
    for path, text in shown.items():
        shell.write(path, text)  # refuses a path that exists
    steps = list(commands(page(PAGE)))
    assert sum(bool(step.shown) for step in steps) >= 6
    for step in steps:
        shell.run(step)
