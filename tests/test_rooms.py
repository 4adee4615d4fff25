"""The library's rooms stand in an order, the application's rooms are what their names say, and a table is one file."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from lakehouse_assets.definitions import find_tables

ROOT = Path(__file__).parent.parent
ORDER = (
    "errors",
    "text",
    "clock",
    "settings",
    "storage",
    "delta",
    "engines",
    "contracts",
    "landing",
    "ingestion",
    "quarantine",
    "publication",
    "tables",
    "application",
    "catalog",
    "reconciliation",
    "lineage",
    "planning",
    "rule_testing",
    "schema_changes",
    "exports",
    "orchestration",
    "corrections",
    "maintenance",
    "project",
    "cli",
    "__main__",
)
"""The rooms of the library. A room imports only itself and rooms that stand before it."""
APPLICATION = {
    "resources": {"lakehouse"},
    "io_managers": {"lakehouse", "resources"},
    "sensors": {"lakehouse", "resources"},
    "lakehouse_assets": {"lakehouse"},
    "instance": {"lakehouse"},
    "examples": set(),
}
"""The other packages, and what each may import."""
COMPOSITION = "lakehouse_assets/definitions.py"
"""The one file where the application is put together."""
TABLE_FILES_KNOW = ("lakehouse.tables", "lakehouse.contracts")
FACES = {"typer", "rich", "click", "fastapi", "streamlit", "flask"}
CLIENTS = {
    "lakehouse/landing/zone.py": {"dagster_aws"},
    "lakehouse/storage/files.py": {"dagster_deltalake"},
    "lakehouse/engines/spark_session.py": {"dagster_pyspark"},
}
"""Where a Dagster integration lends its client, which knows no run."""
NEED_AT_ONCE = {
    "lakehouse/contracts/contract.py": {"pandera", "pyspark"},
    "lakehouse/lineage/plan_walker.py": {"pyspark"},
    "lakehouse/tables/scd2_transforms.py": {"pyspark"},
}
"""What a module cannot do without: contracts are Pandera models, plans and transforms are PySpark's."""
HEAVY = {"pyspark", "deltalake", "duckdb", "pandera", "boto3", "pandas", "pysail"}


def files(*folders: str) -> Iterator[str]:
    """Yield the Python files below some folders, relative to the repository."""
    for folder in folders:
        yield from sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py"))


def tree(file: str) -> ast.Module:
    """Return a file's syntax."""
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


def imported(file: str) -> set[str]:
    """Return every module that a file imports, wherever in it, type checkers' imports included."""
    names = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            names |= {_module(str(node.module), alias.name) for alias in node.names}
    return names


def _module(package: str, name: str) -> str:
    """Return the module that ``from package import name`` imports."""
    inner = ROOT / package.replace(".", "/") / name
    return f"{package}.{name}" if inner.with_suffix(".py").exists() or inner.is_dir() else package


def packages(modules: Iterable[str]) -> set[str]:
    """Return the top-level packages of modules."""
    return {module.partition(".")[0] for module in modules}


def room(module: str) -> str:
    """Return the room of a module of the library; the package itself stands where ``project`` does."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "project"


def name_of(file: str) -> str:
    """Return a file's module."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def wrong(files: Iterable[str], refused) -> dict[str, set[str]]:
    """Return what each file imports that is refused."""
    found = {file: {module for module in imported(file) if refused(file, module)} for file in files}
    return {file: modules for file, modules in found.items() if modules}


def test_a_room_of_the_library_imports_only_rooms_before_it():
    def is_after(file: str, module: str) -> bool:
        return module.startswith("lakehouse.") and ORDER.index(room(module)) > ORDER.index(room(name_of(file)))

    assert wrong(files("lakehouse"), is_after) == {}


def test_every_room_of_the_library_stands_in_the_order():
    assert {room(name_of(file)) for file in files("lakehouse")} == set(ORDER)


def test_no_modules_import_each_other_in_a_circle():
    graph = {
        name_of(file): {module for module in imported(file) if module.startswith("lakehouse.")}
        for file in files("lakehouse")
        if not file.endswith("__init__.py")
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"a circle: {' -> '.join(error.args[1])}") from None


def test_the_library_knows_no_package_of_the_application():
    def is_application(file: str, module: str) -> bool:
        sample = file.startswith("lakehouse/cli/") and module.startswith("examples.")
        return module.partition(".")[0] in APPLICATION and not sample

    assert wrong(files("lakehouse"), is_application) == {}


def test_a_package_of_the_application_knows_only_what_it_may():
    ours = {*APPLICATION, "lakehouse"}
    for package, may_know in APPLICATION.items():
        known = [file for file in files(package) if file != COMPOSITION]
        assert wrong(known, lambda _, module, allowed=may_know | {package}: _top(module) in ours - allowed) == {}


def _top(module: str) -> str:
    return module.partition(".")[0]


def test_a_table_file_knows_tables_and_contracts_of_the_library_only():
    tables = [file for file in files("lakehouse_assets") if file.count("/") > 1]
    assert (
        wrong(tables, lambda _, module: _top(module) == "lakehouse" and not module.startswith(TABLE_FILES_KNOW)) == {}
    )


def test_only_orchestration_knows_dagster():
    def is_dagster(file: str, module: str) -> bool:
        top = _top(module)
        lent = CLIENTS.get(file, set())
        return (top == "dagster" or top.startswith("dagster_")) and top not in lent

    below = [file for file in files("lakehouse") if not file.startswith(("lakehouse/orchestration/", "lakehouse/cli/"))]
    assert wrong(below, is_dagster) == {}


def test_private_dagster_names_are_used_in_one_room():
    outside = [
        file for file in files("lakehouse", *APPLICATION) if not file.startswith("lakehouse/orchestration/instance/")
    ]
    assert wrong(outside, lambda _, module: module.startswith("dagster.") or "dagster._" in module) == {}


def test_only_faces_know_how_to_talk_to_people():
    below = [file for file in files("lakehouse", *APPLICATION) if not file.startswith("lakehouse/cli/")]
    assert wrong(below, lambda _, module: _top(module) in FACES) == {}


def test_gold_imports_no_bronze():
    assert wrong(files("lakehouse_assets/gold"), lambda _, module: module.startswith("lakehouse_assets.bronze")) == {}


def test_gold_is_never_made_of_bronze_and_no_table_of_a_layer_above_it():
    order = ["bronze", "silver", "gold"]
    for table in find_tables():
        layers = {name.split(".")[0] for name in getattr(table, "inputs", {}).values()}
        below = {"silver", "gold"} if table.layer == "gold" else set(order[: order.index(table.layer)])
        assert layers <= below, table.full_name


def test_one_table_one_name_one_file_one_test():
    found = set()
    for table in find_tables():
        place = f"{table.layer}/{table.name}.py"
        assert Path(table.file) == ROOT / "lakehouse_assets" / place
        assert (ROOT / "tests" / "lakehouse_assets" / table.layer / f"test_{table.name}.py").exists(), table.full_name
        found.add(place)
    layers = ("bronze", "silver", "gold")
    written = {
        f"{layer}/{path.name}" for layer in layers for path in (ROOT / "lakehouse_assets" / layer).glob("[a-z]*.py")
    }
    assert written == found


def test_every_package_says_what_belongs_there_and_every_module_what_it_is():
    for file in files("lakehouse", *APPLICATION):
        docstring = ast.get_docstring(tree(file))
        assert docstring, f"{file} has no docstring"
        if file.endswith("/__init__.py"):
            assert len(docstring.splitlines()) >= 3, f"{file} says too little"


def test_heavy_libraries_are_imported_where_they_are_used():
    for file in files("lakehouse", "resources", "io_managers", "sensors"):
        top = {
            _top(name)
            for node in tree(file).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)])
        }
        assert not top & HEAVY - NEED_AT_ONCE.get(file, set()), (
            f"{file} imports {', '.join(sorted(top & HEAVY))} when it is imported"
        )


def test_importing_the_library_loads_nothing_heavy():
    absent = sorted({"typer", "rich", "dagster", "pyspark", "pandas", "duckdb", "deltalake", "pyarrow"})
    code = f"import sys, lakehouse; lakehouse.Lakehouse; print([name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
