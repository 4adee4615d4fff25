"""Contracts: a Pandera model per table, and what the rest of the project reads out of it.

Belongs here: the base class, what a contract is written with (``column``, ``rule``) and the views on a model (columns,
types, sources, custom rules, Arrow schema). What a rule means is for ``rule_compiler``; what is asked of whole days is
for ``partition_rules``. The contracts themselves stand in the files of their tables.
"""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, get_args

import pandera.pyspark as pa

if TYPE_CHECKING:
    from pyarrow import Schema
    from pyspark.sql.types import DataType, StructType

    from lakehouse.contracts.partition_rules import DayRule

Action = Literal["warn", "reject", "hold"]
"""What a broken rule does: the row is kept and counted; it is quarantined; its whole partition is not published."""
_RULE = "__lakehouse_rule__"
_DAY_RULES, _FRESH_WITHIN = "day_rules", "fresh_within"
_ROWS = "rows"
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Contract(pa.DataFrameModel):  # type: ignore[misc]  # Pandera is not typed for us
    """The contract of a table: columns, types, rules and descriptions.

    A subclass declares its columns in the order of the table. The subclass's docstring is not shown anywhere; the
    module's is the table's description.

    Attributes:
        day_rules: what is asked of a whole day, see ``partition_rules``.
        fresh_within: how soon a partition must follow the one before it; a table that is late is marked in the UI.
    """

    if TYPE_CHECKING:
        day_rules: ClassVar[tuple[DayRule, ...]]
        fresh_within: ClassVar[dt.timedelta]

    class Config:
        """A table has the columns of its contract and no others."""

        strict = True

    @classmethod
    def _get_model_attrs(cls) -> dict[str, Any]:
        """Keep what is ours from Pandera, which takes every attribute for a column."""
        attributes: dict[str, Any] = super()._get_model_attrs()
        return {name: value for name, value in attributes.items() if name not in {_DAY_RULES, _FRESH_WITHIN}}


def column(
    description: str,
    *,
    formula: str | None = None,
    unit: str | None = None,
    source: str | None = None,
    nullable: bool = False,
    when_broken: Action | None = None,
    references: str | None = None,
    **checks: Any,
) -> Any:
    """Declare a column of a contract.

    Args:
        description: what the column means.
        formula: how it is computed, in words, if it is a metric (see ``metrics``).
        unit: what a number counts or is measured in: ``GBP``, ``units``, ``days``. The UI and Delta show both as one.
        source: the column of the input table it is typed from (see ``casting.typed``); none if it is derived.
        nullable: whether a row may lack it.
        when_broken: what the checks do, and ``references``; unless said otherwise, a broken check rejects its row and
            an unknown key is only a warning. A value that is unreadable or missing always rejects its row.
        references: the column of another table in which each value must be found: ``silver.customers.customer_id``.
        checks: Pandera's built-in checks, such as ``in_range={"min_value": 0, "max_value": 10}`` or ``isin=[...]``.

    Raises:
        ValueError: there is no such action, or no such reference can be.
    """
    _known_action(when_broken or "reject")
    if references is not None and references.count(".") != 2:  # noqa: PLR2004 - layer, table, column
        raise ValueError(f"references={references!r} must be layer.table.column, such as silver.customers.customer_id")
    metadata = {
        "formula": formula,
        "unit": unit,
        "source": source,
        "when_broken": when_broken,
        "references": references,
    }
    # Pandera takes a tuple for several arguments: of one value it would make a text, and of that its letters.
    checks = {name: list(value) if isinstance(value, tuple) else value for name, value in checks.items()}
    return pa.Field(nullable=nullable, description=description, metadata=metadata, **checks)


@dataclass(frozen=True)
class Reference:
    """Where the values of a column must be found.

    Attributes:
        table: ``silver.customers``, and ``column`` of it.
        action: what an unknown value does.
    """

    table: str
    column: str
    action: Action


@dataclass(frozen=True)
class ContractColumn:
    """One column of a contract.

    Attributes:
        checks: Pandera check names and their arguments, in the order declared.
        when_broken: what a broken check does.
        references: where its values must be found, if anywhere.
        unit: what a number counts or is measured in.
        formula: how it is computed, in words, if it is a metric.
    """

    name: str
    type: DataType
    nullable: bool
    description: str
    source: str | None
    checks: tuple[tuple[str, dict[str, Any]], ...]
    when_broken: Action = "reject"
    references: Reference | None = None
    unit: str | None = None
    formula: str | None = None

    @property
    def meaning(self) -> str:
        """The description with the unit: ``amount of sales [GBP]``."""
        return f"{self.description} [{self.unit}]" if self.unit else self.description


@dataclass(frozen=True)
class CustomRule:
    """A rule that is a function in the contract's body, see ``rule``.

    Attributes:
        name: ``row:<function>`` or ``table:<function>``.
        reason: what is wrong with a row that breaks it, or what must hold, in words.
        columns: the columns it reads, if it judges single rows.
        tables: the tables it reads by parameter, if it judges rows together.
    """

    name: str
    reason: str
    action: Action
    function: Callable[..., Any]
    columns: tuple[str, ...] = ()
    tables: tuple[tuple[str, str], ...] = ()


def rule(reason: str, *, when_broken: Action = "reject") -> Callable[[_Function], _Function]:
    """Make a function in a contract's body a rule of it.

    A rule about single rows takes columns of the contract by name and returns a ``Column`` that is true for a good row;
    where that is null, the row passes::

        @rule("a sale has units", when_broken="reject")
        @staticmethod
        def sale_has_units(kind: Column, quantity: Column) -> Column:
            return (kind != "sale") | (quantity > 0)

    A rule about rows together takes ``rows``, the typed rows of the days at hand, and other tables by name
    (``silver_customers`` is ``silver.customers``), and returns the keys of the broken rows: the table's key, or
    whichever columns of the contract the returned frame has.

    Args:
        reason: the rule in words, for people who look at a broken row.
        when_broken: what a broken row does.

    Raises:
        ValueError: there is no such action.
    """
    _known_action(when_broken)

    def mark(function: _Function) -> _Function:
        setattr(getattr(function, "__func__", function), _RULE, (reason, when_broken))
        return function

    return mark


def custom_rules_of(contract: type[Contract]) -> tuple[CustomRule, ...]:
    """Return the rules of a contract that are functions, in the order declared; those of a base class come first.

    Raises:
        TypeError: a rule takes no parameter, or one that is no column of the contract.
    """
    declared: dict[str, Any] = {}
    for class_ in reversed(contract.__mro__):
        for name, value in vars(class_).items():
            function = getattr(value, "__func__", value)
            if hasattr(function, _RULE):
                declared[name] = function
            else:
                declared.pop(name, None)
    columns = set(contract.to_schema().columns)
    return tuple(_custom_rule(contract, name, function, columns) for name, function in declared.items())


def _custom_rule(contract: type[Contract], name: str, function: Callable[..., Any], columns: set[str]) -> CustomRule:
    reason, action = getattr(function, _RULE)
    parameters = tuple(inspect.signature(function).parameters)
    if not parameters:
        raise TypeError(f"{contract.__name__}.{name}: a rule takes columns of the contract, or `rows`")
    if parameters[0] == _ROWS and _ROWS not in columns:
        tables = tuple((parameter, parameter.replace("_", ".", 1)) for parameter in parameters[1:])
        return CustomRule(f"table:{name}", reason, action, function, tables=tables)
    if unknown := [parameter for parameter in parameters if parameter not in columns]:
        raise TypeError(f"{contract.__name__}.{name}: the contract has no column {', '.join(unknown)}")
    return CustomRule(f"row:{name}", reason, action, function, columns=parameters)


def day_rules_of(contract: type[Contract]) -> tuple[DayRule, ...]:
    """Return what a contract asks of a whole day."""
    return tuple(getattr(contract, _DAY_RULES, ()))


def fresh_within_of(contract: type[Contract]) -> dt.timedelta | None:
    """Return how soon a contract asks for the next partition, if it does."""
    return getattr(contract, _FRESH_WITHIN, None)


def columns_of(contract: type[Contract]) -> tuple[ContractColumn, ...]:
    """Return a contract's columns in the table's order.

    Raises:
        TypeError: the contract has a check that is not one of a column's built-in checks.
    """
    schema = contract.to_schema()
    if schema.checks:
        raise TypeError(f"{contract.__name__}: checks over a whole frame cannot judge a row; give them to the audit")
    columns = []
    for name, declared in schema.columns.items():
        checks = []
        for check in declared.checks:
            if not check.statistics:
                raise TypeError(f"{contract.__name__}.{name}: {check.name!r} is not a built-in check of Pandera")
            checks.append((str(check.name), dict(check.statistics)))
        about = declared.metadata or {}
        references = None
        if about.get("references"):
            table, _, key = about["references"].rpartition(".")
            references = Reference(table, key, about["when_broken"] or "warn")
        columns.append(
            ContractColumn(
                name=name,
                type=declared.dtype.type,
                nullable=declared.nullable,
                description=declared.description or "",
                source=about.get("source"),
                checks=tuple(checks),
                when_broken=about.get("when_broken") or "reject",
                references=references,
                unit=about.get("unit"),
                formula=about.get("formula"),
            )
        )
    return tuple(columns)


def spark_schema(contract: type[Contract]) -> StructType:
    """Return a contract's columns as a Spark schema."""
    from pyspark.sql.types import StructField, StructType

    return StructType([StructField(column.name, column.type) for column in columns_of(contract)])


def arrow_schema(contract: type[Contract]) -> Schema:
    """Return a contract's columns as an Arrow schema: timestamps in microseconds, UTC; meanings as comments."""
    import pyarrow as pa
    from pyspark.sql.pandas.types import to_arrow_schema

    comments = {column.name: {"comment": column.meaning} for column in columns_of(contract) if column.meaning}
    plain = to_arrow_schema(spark_schema(contract), timezone="UTC")
    return pa.schema([field.with_metadata(comments.get(field.name)) for field in plain])


def _known_action(action: str) -> None:
    if action not in get_args(Action):
        raise ValueError(f"when_broken={action!r} must be one of {', '.join(get_args(Action))}")
