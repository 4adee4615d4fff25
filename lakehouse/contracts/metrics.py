"""Metrics: numbers that mean the same wherever they stand.

A column with a formula is a metric. A metric of one table is declared in its contract, as ``column("…", formula="…")``.
What several tables show is a ``Metric``, and each contract declares its column from it, as ``NET_SALES.column()``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.contracts.contract import column, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lakehouse.contracts.contract import Contract, ContractColumn


@dataclass(frozen=True)
class Metric:
    """A number that means the same wherever it stands.

    Attributes:
        name: the name of its columns.
        definition: what it is, in words; the description of its columns.
        formula: how it is computed, in words of other columns and metrics. Nothing evaluates it.
        unit: what it counts or is measured in.
    """

    name: str
    definition: str
    formula: str
    unit: str

    def column(self, **checks: Any) -> Any:
        """Declare the column of a contract that holds the metric; it must have the metric's name.

        Args:
            checks: what else ``column`` takes.
        """
        return column(self.definition, formula=self.formula, unit=self.unit, **checks)


def metrics_of(contracts: Iterable[type[Contract]]) -> list[Metric]:
    """Return the metrics of some contracts, each once, in the order of their names.

    Raises:
        ValueError: a column has the name of a metric and means something else.
    """
    columns = [each for contract in contracts for each in columns_of(contract)]
    metrics = {each.name: _metric(each) for each in columns if each.formula is not None}
    for each in columns:
        if (metric := metrics.get(each.name)) and metric != _metric(each):
            raise ValueError(f"{each.name} means two things: {metric} and {_metric(each)}")
    return [metrics[name] for name in sorted(metrics)]


def _metric(column: ContractColumn) -> Metric:
    return Metric(column.name, column.description, column.formula or "", column.unit or "")
