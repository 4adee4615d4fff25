"""What the documents point to exists: files, headings, tests and tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, REPOSITORY

_LINK = re.compile(r"(?<!`)\[[^\]]*\]\((?!https?://)(?P<target>[^)#]*)(?:#(?P<heading>[^)]*))?\)")
_TEST = re.compile(r"`(?P<file>tests/[\w/]+\.py)(?:::(?P<name>\w+))?`")
_PROGRAM = re.compile(r"`(?P<file>(?:\w+/)+\w+\.(?:py|yaml|md))`")
_MADE = {"add_a_table.md": "visits", "contracts.md": "deliveries"}
"""What the files are called that a page makes."""
_LAYERS = ("bronze/", "silver/", "gold/")


def name_of(path: Path) -> str:
    """Return how a page is called in a test's name."""
    return str(path.relative_to(REPOSITORY))


def anchors(text: str) -> set[str]:
    """Return the anchors GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_leads_somewhere(path):
    for link in _LINK.finditer(path.read_text(encoding="utf-8")):
        target = (path.parent / link["target"]).resolve() if link["target"] else path
        assert target.exists(), link[0]
        if link["heading"]:
            assert link["heading"] in anchors(target.read_text(encoding="utf-8")), link[0]


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_test_and_file_that_is_named_exists(path):
    text = path.read_text(encoding="utf-8")
    for named in _TEST.finditer(text):
        file = REPOSITORY / named["file"]
        if "add_a_table" in path.name and not file.exists():
            continue  # the page makes it
        assert file.exists(), named[0]
        assert f"def {named['name'] or ''}" in file.read_text(encoding="utf-8"), named[0]
    for named in _PROGRAM.finditer(text):
        if _MADE.get(path.name, "/") in named["file"].rpartition("/")[2]:
            continue
        inside = "lakehouse_assets/" if named["file"].startswith(_LAYERS) else ""
        assert (REPOSITORY / f"{inside}{named['file']}").exists(), named[0]


def test_every_decision_is_in_the_list():
    folder = REPOSITORY / "docs" / "decisions"
    listed = (folder / "README.md").read_text(encoding="utf-8")
    records = sorted(file.name for file in folder.glob("[0-9]*.md"))
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
    for name in records:
        title = (folder / name).read_text(encoding="utf-8").partition("\n")[0].partition(". ")[2]
        assert f"| [{int(name[:4])}]({name}) | {title} |" in listed
