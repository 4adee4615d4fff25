"""The rules of the tables of a lakehouse, tested: with planted faults, on past days, and against the rows there are.

Belongs here: finding the table that is meant, and the changed copy of its file. The tests are in ``mutation``,
``backtest`` and ``profiling``.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import RequestError
from lakehouse.rule_testing.backtest import Backtest, Made, backtest
from lakehouse.rule_testing.mutation import MutationTest, Subject, mutation_test
from lakehouse.rule_testing.profiling import Profile, profile
from lakehouse.tables.declarations import ContractTable

if TYPE_CHECKING:
    from lakehouse.engines.base import Engine
    from lakehouse.tables.declarations import Table

    Report = Callable[[str], None]


class TableRules:
    """Tests of rules. No table is changed by any of them; each reports what it is doing."""

    def __init__(self, engine: Engine, tables: Mapping[str, Table]) -> None:
        """Take the engine and the tables by full name."""
        self._engine = engine
        self._tables = tables

    def test(
        self,
        table: str,
        *,
        day: dt.date | None = None,
        seed: int = 7,
        rows: int = 20_000,
        without: Sequence[str] = (),
        each: bool = False,
        report: Report = lambda _: None,
    ) -> MutationTest:
        """Plant typical faults into a copy of a day, one at a time, and return which rules catch which.

        Args:
            table: a silver table.
            day: a published business date; the newest with enough rows unless given.
            seed: chooses the rows that are changed.
            rows: rows of the day to take at most; of more, a sample.
            without: rules to leave out.
            each: find out of each rule what would be missed without it.
            report: told what is done.

        Raises:
            RequestError: there is no such table, day or rule.
        """
        made = self._silver(table)
        subject = Subject(made.terms, made.transform, next(iter(made.inputs.values())))
        return mutation_test(
            self._engine, subject, day=day, seed=seed, rows=rows, without=without, each=each, report=report
        )

    def backtest(
        self,
        table: str,
        *,
        since: dt.date | None = None,
        until: dt.date | None = None,
        changed: Path | None = None,
        report: Report = lambda _: None,
    ) -> Backtest:
        """Judge past days by a table's contract, and return what it would reject, warn of or hold.

        Args:
            table: a silver table.
            since: the first business date.
            until: the last business date.
            changed: a changed copy of the table's file; the table as it is unless given.
            report: told what is done.

        Raises:
            RequestError: there is no such table or day, or the copy does not declare the table.
        """
        made = self._silver(table)
        judged = made if changed is None else changed_table(changed, made)
        readers = [_made(reader) for reader in self._readers(made)]
        return backtest(self._engine, _made(judged), readers, since=since, until=until, report=report)

    def profile(
        self, table: str, *, day: dt.date | None = None, last: int = 30, report: Report = lambda _: None
    ) -> Profile:
        """Measure the published rows of a table, and return the rules that they would bear.

        Args:
            table: a silver or gold table.
            day: only this partition, by its first day.
            last: so many of the newest partitions.
            report: told what is done.

        Raises:
            RequestError: there is no such table, or it has no such partition.
        """
        tables = {name: made for name, made in self._tables.items() if isinstance(made, ContractTable)}
        if table not in tables:
            raise RequestError(f"there is no table {table} with a contract", hint=f"there are {', '.join(tables)}")
        return profile(self._engine, tables[table].terms, day=day, last=last, report=report)

    def _silver(self, name: str) -> ContractTable:
        """Return a silver table that is made from bronze."""
        tables = {
            made.full_name: made
            for made in self._tables.values()
            if isinstance(made, ContractTable) and made.layer == "silver"
        }
        if name not in tables:
            raise RequestError(
                f"there is no table {name} that is judged as it arrives", hint=f"there are {', '.join(tables)}"
            )
        return tables[name]

    def _readers(self, table: ContractTable) -> list[ContractTable]:
        """Return the tables that read a table partition by partition, and beside it nothing but dimensions."""
        return [
            found
            for found in self._tables.values()
            if isinstance(found, ContractTable)
            and table.full_name in found.inputs.values()
            and found.partition_column == table.partition_column
            and all(name != table.full_name for name in map(found.inputs.get, found.reads))
            and all(reads.whole for reads in found.reads.values())
        ]


def changed_table(file: Path, table: ContractTable) -> ContractTable:
    """Load a changed copy of a table's file and return the table as it is there; the one in place stays what it is.

    Raises:
        RequestError: the file cannot be loaded, or does not declare the table.
    """
    hint = f"copy {table.file} and change the copy"
    if not file.is_file():
        raise RequestError(f"{file}: there is no such file", hint=hint)
    module_name = f"changed.{table.full_name}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise RequestError(f"{file}: this is no file of Python code")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # a table finds its module there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise RequestError(f"{file} cannot be loaded: {type(error).__name__}: {error}") from error
    finally:
        del sys.modules[module_name]
    for found in vars(module).values():
        if isinstance(found, ContractTable) and found.full_name == table.full_name:
            return found
    raise RequestError(f"{file} declares no {table.full_name}", hint=hint)


def _made(table: ContractTable) -> Made:
    return Made(table.terms, table.transform, table.inputs)
