"""Transforms are expressions from frames to a frame; what stops an engine or slows it down is refused in their code.

An action runs everything before it once more, and a function in Python takes every row out of the engine.
"""

from __future__ import annotations

import ast

import pytest

from tests.processes import PROJECT

PYTHON_ON_ROWS = {
    "udf",
    "udtf",
    "pandas_udf",
    "arrow_udf",
    "mapInPandas",
    "mapInArrow",
    "applyInPandas",
    "applyInArrow",
}
PYTHON_ON_ROWS |= {"rdd", "foreach", "foreachPartition", "foreachBatch"}
ACTIONS = {"collect", "toPandas", "toArrow", "toLocalIterator", "take", "tail", "head", "first", "show", "isEmpty"}
ACTIONS |= {
    "cache",
    "persist",
    "checkpoint",
    "localCheckpoint",
    "read",
    "readStream",
    "write",
    "writeTo",
    "writeStream",
}
FUNCTIONS = {"F", "T", "pa", "pc", "functools"}
"""Modules whose functions may have such a name and do something else."""
ASKS_THE_ENGINE = {
    "lakehouse/publication/audit.py": "counts of a write by partition and outcome, and its rejected rows",
    "lakehouse/rule_testing/backtest.py": "what was said of past days, and the sums of a few tables",
    "lakehouse/reconciliation/recompute.py": "hashes of partitions, and the few rows that differ",
    "lakehouse/publication/digests.py": "counts and digests of partitions",
    "lakehouse/publication/current_rows.py": "counts of bronze rows by file version and day",
    "lakehouse/publication/earlier_figures.py": "counts and sums of earlier days",
    "lakehouse/publication/scd2.py": "the histories of the members that some days touch",
    "lakehouse/quarantine/decisions.py": "what people decided about some days, and which of those records are there",
    "lakehouse/rule_testing/mutation.py": "a copy of a day's rows, to plant faults into, and what is judged of it",
    "lakehouse/rule_testing/profiling.py": "counts and bounds of columns and days",
    "lakehouse/publication/publish.py": "what the quarantine holds of some days",
    "lakehouse/corrections/replay.py": "which rules some rejected records would break now",
    "lakehouse/quarantine/table.py": "counts of the quarantine by run",
}
"""Who needs small results of a frame to decide about it, by the engine port's ``collect``, and what they are."""
ROOMS = (
    "lakehouse_assets",
    "lakehouse/contracts",
    "lakehouse/publication",
    "lakehouse/quarantine",
    "lakehouse/rule_testing",
    "lakehouse/corrections",
)
FILES = sorted(path.relative_to(PROJECT).as_posix() for room in ROOMS for path in (PROJECT / room).rglob("*.py"))


def parsed(file: str) -> ast.AST:
    return ast.parse((PROJECT / file).read_text(encoding="utf-8"))


def used(tree: ast.AST) -> set[str]:
    """Return the names of functions on rows and of anything's attributes; the engine's with its own before."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & {*PYTHON_ON_ROWS, "collect"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = getattr(node.value, "id", None) or getattr(node.value, "attr", "")
            if owner == "engine":
                names.add(f"engine.{node.attr}")
            elif owner not in FUNCTIONS or node.attr in PYTHON_ON_ROWS:
                names.add(node.attr)
    return names


def counts_rows(tree: ast.AST) -> bool:
    """Whether ``.count()`` is called without an argument, as frames have it and lists have not."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "count"
        and not [*node.args, *node.keywords]
        for node in ast.walk(tree)
    )


@pytest.mark.parametrize("file", FILES)
def test_no_row_goes_through_python_and_no_frame_is_counted(file):
    assert used(parsed(file)) & PYTHON_ON_ROWS == set()
    assert not counts_rows(parsed(file))


@pytest.mark.parametrize("file", FILES)
def test_no_frame_is_run_but_by_the_engine_and_there_for_a_reason(file):
    names = used(parsed(file))
    given = (
        {"collect", "take"} if file == "lakehouse/publication/audit.py" else set()
    )  # a gate is given the former; Arrow's take
    assert names & ACTIONS == given
    assert bool(names & {"engine.collect", *given}) == (file in ASKS_THE_ENGINE)


@pytest.mark.parametrize(
    "code",
    [
        "days = frame.select('day').collect()",
        "frame.toPandas()",
        "rows = frame.count()",
        "kind = F.udf(str)",
        "@pandas_udf('int')\ndef kind(values): return values",
        "frame.rdd.map(str)",
        "session.read.parquet('x')",
        "frame.write.save('x')",
    ],
)
def test_the_rule_sees_what_it_refuses(code):
    tree = ast.parse(code)
    assert used(tree) & (ACTIONS | PYTHON_ON_ROWS) or counts_rows(tree)


@pytest.mark.parametrize("code", ["F.count(F.lit(1))", "F.first('x')", "names.count('x')", "engine.collect(frame)"])
def test_the_rule_lets_pass_what_only_has_the_same_name(code):
    tree = ast.parse(code)
    assert not used(tree) & (ACTIONS | PYTHON_ON_ROWS)
    assert not counts_rows(tree)


@pytest.mark.parametrize("room", ["lakehouse_assets/silver", "lakehouse_assets/gold", *ROOMS[1:]])
def test_every_room_with_transforms_is_looked_at(room):
    assert len([file for file in FILES if file.startswith(room)]) > 2
