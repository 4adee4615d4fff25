"""`docs/drift.md`: a column that came undeclared is seen, proposed and taken up the way the page shows."""

from __future__ import annotations

from tests.docs.pages import Shell, commands, files, page

PAGE = "docs/drift.md"


def test_the_files_of_the_page_and_its_commands_give_the_answers_it_shows(tmp_path):
    shell = Shell(tmp_path)
    shown = files(page(PAGE))
    assert [path.rpartition("/")[0] for path in shown] == [".lakehouse/landing/transactions"] * 2
    for path, text in shown.items():
        shell.write(path, text)
    steps = list(commands(page(PAGE)))
    assert sum(bool(step.shown) for step in steps) >= 8
    for step in steps:
        shell.run(step)
