"""Rooms know only the rooms to their right, and a table has one name, one file and one test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from lakehouse_assets.definitions import find_tables

ROOT = Path(__file__).parent.parent
MAY_KNOW = {
    "resources": set(),
    "quality": {"resources"},
    "io_managers": {"resources"},
    "instance": set(),
    "shop": set(),
    "sensors": {"resources"},
    "lakehouse_assets": {"quality", "io_managers", "resources", "instance"},
    "cli": {"lakehouse_assets", "quality", "io_managers", "resources", "sensors", "instance", "shop"},
}
"""The rooms that the files of a room may import."""
EXCEPTIONS = {"lakehouse_assets/definitions.py": {"sensors"}}
"""The one place where everything is put together."""
KNOWS_DAGSTER = {"resources/lakehouse.py"}
"""The one file of ``resources`` and ``quality`` that is Dagster's."""
ONLY_FOR_EVENTS = {"lakehouse.orchestration.instance.events"}
FILES = sorted(path.relative_to(ROOT).as_posix() for room in MAY_KNOW for path in (ROOT / room).rglob("*.py"))


def imported(file: str) -> set[str]:
    """Return every module that a file imports, wherever in it, under its full name."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def rooms(modules: set[str]) -> set[str]:
    """Return the rooms among modules."""
    return {module.split(".")[0] for module in modules} & set(MAY_KNOW)


def test_every_room_is_watched():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    assert packages == set(MAY_KNOW)


@pytest.mark.parametrize("file", FILES)
def test_a_room_knows_only_the_rooms_to_its_right(file):
    room = file.split("/")[0]
    assert rooms(imported(file)) <= MAY_KNOW[room] | {room} | EXCEPTIONS.get(file, set())


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith(("quality/", "resources/"))])
def test_quality_and_resources_know_no_dagster(file):
    if file not in KNOWS_DAGSTER:
        known = {module.split(".")[0] for module in imported(file)}
        assert not {name for name in known if name == "dagster" or name.startswith("dagster_")} - _CLIENTS.get(
            file, set()
        )


_CLIENTS = {
    "lakehouse/landing/zone.py": {"dagster_aws"},
    "lakehouse/storage/files.py": {"dagster_deltalake"},
    "lakehouse/engines/spark_session.py": {"dagster_pyspark"},
}
"""Where a Dagster integration lends its client."""


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith("lakehouse_assets/")])
def test_assets_know_the_instance_only_for_its_events(file):
    found = {module for module in imported(file) if module.split(".")[0] == "instance"}
    assert {module for module in found if not module.startswith("lakehouse.orchestration.instance.events")} == set()


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith("lakehouse_assets/gold/")])
def test_gold_never_imports_bronze(file):
    assert not {module for module in imported(file) if module.startswith("lakehouse_assets.bronze")}


@pytest.mark.parametrize("table", find_tables(), ids=lambda table: table.full_name)
def test_gold_is_never_made_of_bronze_and_no_table_of_a_layer_above_it(table):
    order = ["bronze", "silver", "gold"]
    above = order.index(table.layer)
    layers = {name.split(".")[0] for name in getattr(table, "inputs", {}).values()}
    assert layers <= ({"silver", "gold"} if table.layer == "gold" else set(order[:above]))


@pytest.mark.parametrize("table", find_tables(), ids=lambda table: table.full_name)
def test_one_table_one_name_one_file_one_test(table):
    place = f"{table.layer}/{table.name}.py"
    assert Path(table.file) == ROOT / "lakehouse_assets" / place
    assert (ROOT / "tests" / "lakehouse_assets" / table.layer / f"test_{table.name}.py").exists()


def test_every_file_of_a_layer_is_a_table():
    files = {
        f"{path.parent.name}.{path.stem}"
        for layer in ("bronze", "silver", "gold")
        for path in (ROOT / "lakehouse_assets" / layer).glob("[a-z]*.py")
    }
    assert files == {table.full_name for table in find_tables()}


@pytest.mark.parametrize("file", [file for file in FILES if file.endswith("/__init__.py")])
def test_every_package_says_what_belongs_there(file):
    docstring = ast.get_docstring(ast.parse((ROOT / file).read_text(encoding="utf-8")))
    assert docstring is not None
    assert len(docstring.splitlines()) >= 3


@pytest.mark.parametrize("file", FILES)
def test_every_module_says_what_it_is(file):
    assert ast.get_docstring(ast.parse((ROOT / file).read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", [file for file in FILES if not file.startswith(("lakehouse_assets/", "shop/"))])
def test_heavy_libraries_are_imported_where_they_are_used(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    top = {
        name.split(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)])
    }
    allowed = {"pandera", "pyspark"} if file == "lakehouse/contracts/contract.py" else set()
    assert not top & {"pyspark", "deltalake", "duckdb", "pandera", "boto3", "pandas", "pysail"} - allowed
