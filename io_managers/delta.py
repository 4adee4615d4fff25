"""The Delta IO manager: an asset key is a table, partition keys are a predicate on its partition column."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa

from lakehouse.delta.model import TableLayout
from lakehouse.delta.predicates import Predicate
from lakehouse.orchestration.asset_metadata import PARTITION_COLUMN
from resources.lakehouse import Lakehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def table_name(key: dg.AssetKey) -> str:
    """Return the table of an asset: ``silver/transactions`` is ``silver.transactions``."""
    return ".".join(key.path)


def partition_predicate(column: str, partition_keys: Sequence[str]) -> Predicate:
    """Return the rows that some partitions stand for; every partition key here is a date, the partition's first."""
    return Predicate(column, tuple(dt.date.fromisoformat(key) for key in partition_keys))


class DeltaIOManager(dg.ConfigurableIOManager):
    """Loads the partitions an asset depends on as a lazy DataFrame; replaces the partitions a plain asset returns."""

    lakehouse: dg.ResourceDependency[Lakehouse]

    def load_input(self, context: dg.InputContext) -> "DataFrame":
        """Return the upstream table's rows of the mapped partitions.

        Raises:
            MissingTableError: the table was never written.
        """
        table = table_name(context.asset_key)
        if not context.has_asset_partitions:
            return self.lakehouse.engine.read(table)
        upstream = context.upstream_output
        column = _partition_column(context.asset_key, upstream.definition_metadata if upstream else {})
        return self.lakehouse.engine.read(table, partition_predicate(column, context.asset_partition_keys))

    def handle_output(self, context: dg.OutputContext, obj: "DataFrame | None") -> None:
        """Replace the partitions of an asset that has no contract; None says that the asset has published itself."""
        if obj is None:
            return
        from pyspark.sql.pandas.types import to_arrow_schema

        if not context.has_asset_partitions:
            raise dg.DagsterInvariantViolationError(
                f"{table_name(context.asset_key)} has no partitions; without them a write would replace the whole table"
            )
        column = _partition_column(context.asset_key, context.definition_metadata)
        schema = to_arrow_schema(obj.schema, timezone="UTC")
        # A constant cannot be null in its frame; a table made from it would refuse every null to come.
        schema = pa.schema([declared.with_nullable(True) for declared in schema])  # noqa: FBT003 - Arrow takes no name
        layout = TableLayout(table_name(context.asset_key), schema, (column,))
        where = partition_predicate(column, context.asset_partition_keys)
        version = self.lakehouse.engine.publish(layout, obj, where, metadata={"run_id": context.run_id})
        context.add_output_metadata({"delta_version": version})


def _partition_column(key: dg.AssetKey, metadata: Any) -> str:
    if PARTITION_COLUMN not in metadata:
        raise dg.DagsterInvariantViolationError(
            f"{table_name(key)} is partitioned but its metadata names no {PARTITION_COLUMN!r}; add "
            f"metadata={{'{PARTITION_COLUMN}': '<date column>'}} to the asset"
        )
    return str(metadata[PARTITION_COLUMN])
