"""The specification of a table: everything about it that publishing its rows depends on."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.contracts.contract import arrow_schema
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.rule_compiler import rules_version
from lakehouse.delta.model import TableLayout

if TYPE_CHECKING:
    from lakehouse.contracts.contract import Contract


@dataclass(frozen=True)
class TableSpec:
    """What a table is published by.

    Attributes:
        name: ``silver.transactions``.
        partition_column: the date column it is partitioned by.
        cluster_by: columns to cluster it by instead, on disk; it is published by the date column all the same.
        partitioned: whether it has partitions on disk, too, where it is not clustered.
    """

    name: str
    contract: type[Contract]
    policy: Policy
    partition_column: str
    description: str = ""
    cluster_by: tuple[str, ...] = ()
    partitioned: bool = True

    @functools.cached_property
    def rules_version(self) -> str:
        """The version of the rules that its rows are judged by."""
        return rules_version(self.contract, self.policy)

    @property
    def layout(self) -> TableLayout:
        """The Delta table; queries filter by its times and by its key, unless that is a hash, which lies anywhere."""
        schema = arrow_schema(self.contract)
        key = () if self.policy.content_key else self.policy.key
        times = [column.name for column in schema if pa.types.is_temporal(column.type)]
        return TableLayout(
            self.name,
            schema,
            (self.partition_column,) if self.partitioned and not self.cluster_by else (),
            description=self.description,
            statistics=tuple(dict.fromkeys([*key, *times])),
            cluster_by=self.cluster_by,
        )
