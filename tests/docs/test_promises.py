"""`docs/promises.md`: every promise names a test, and the test exists."""

from __future__ import annotations

import ast
import re

from tests.docs.pages import REPOSITORY, page

_PROMISE = re.compile(r"^\| (?P<promise>[A-Z].+) \| `(?P<file>tests/[\w/]+\.py)::(?P<name>test_\w+)` \|$")


def test_every_promise_names_a_test_that_exists():
    lines = page("docs/promises.md").splitlines()
    rows = [line for line in lines if line.startswith("| ") and line != "| promise | test |"]
    assert len(rows) >= 20
    for row in rows:
        found = _PROMISE.match(row)
        assert found, f"a promise without a test: {row}"
        module = ast.parse((REPOSITORY / found["file"]).read_text(encoding="utf-8"))
        tests = {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef)}
        assert found["name"] in tests, row
