"""The three layers: what turns a contract and a function, or a source, into a table.

Belongs here: the declarations a table's file is written with. They know no Dagster and do nothing when imported; how a
table becomes an asset is for ``orchestration.asset_factory``.

The file of ``silver.transactions`` is ``silver/transactions.py``; its module docstring is the table's description.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from lakehouse.contracts.policy import Policy
from lakehouse.contracts.table_spec import TableSpec
from lakehouse.delta.model import LAYERS
from lakehouse.delta.system_tables import QUARANTINE
from lakehouse.landing.reader import CsvFormat, JsonLinesFormat, ParquetFormat
from lakehouse.publication.scd2 import VALID_FROM, History
from lakehouse.tables.calendars import DAILY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lakehouse.contracts.contract import Contract
    from lakehouse.delta.model import TableLayout
    from lakehouse.ingestion.staging import Source
    from lakehouse.landing.reader import LandingFormat

__all__ = [
    "LAYERS",
    "QUARANTINE",
    "BronzeTable",
    "ContractTable",
    "CsvFormat",
    "History",
    "InputWindow",
    "JsonLinesFormat",
    "ManagedTable",
    "ParquetFormat",
    "Scd2Table",
    "Table",
    "Transform",
    "bronze_table",
    "gold_table",
    "managed_table",
    "pool_of",
    "scd2_table",
    "silver_table",
]
Transform = Callable[..., "DataFrame"]


@dataclass(frozen=True)
class InputWindow:
    """How a gold table reads one of its inputs.

    Attributes:
        before: how many of the table's own partitions before one it also needs the input of, and ``after`` after it.
            A change of the input is then looked for in every partition that needs it.
        whole: all rows of the input are read, as of a dimension. A partition of it says which day it has changed for.
        required: whether a partition waits until the input has it. If not, and there is none, there are no rows.
    """

    before: int = 0
    after: int = 0
    whole: bool = False
    required: bool = True


@dataclass(frozen=True, eq=False)
class Table:
    """A table of the lakehouse.

    Attributes:
        layer: bronze, silver or gold.
        name: its name within the layer, the name of its file.
        description: the docstring of its file.
        owner: who answers for it: ``team:name`` or an e-mail address.
        partition_column: ``business_date``, ``week_start`` or ``month_start``.
        file: its file, and ``line`` where the function starts.
    """

    layer: str
    name: str
    description: str
    owner: str
    partition_column: str
    file: str
    line: int

    @property
    def full_name(self) -> str:
        """``silver.transactions``."""
        return f"{self.layer}.{self.name}"


@dataclass(frozen=True, eq=False)
class BronzeTable(Table):
    """A table of a source's rows as received."""

    source: Source


@dataclass(frozen=True, eq=False)
class ManagedTable(Table):
    """A table that the runs of other tables write; it has no run of its own."""

    layout: TableLayout


@dataclass(frozen=True, eq=False)
class ContractTable(Table):
    """A table made from others by a function, under a contract. Calling it calls the function."""

    terms: TableSpec
    transform: Transform
    reads: Mapping[str, InputWindow] = field(default_factory=dict)

    def __call__(self, *frames: DataFrame) -> DataFrame:
        """Apply the table's function to frames, as a test does."""
        return self.transform(*frames)

    @property
    def inputs(self) -> dict[str, str]:
        """The function's parameters and the tables they stand for: ``bronze_orders`` is ``bronze.orders``."""
        return {name: name.replace("_", ".", 1) for name in inspect.signature(self.transform).parameters}


@dataclass(frozen=True, eq=False)
class Scd2Table(ContractTable):
    """A dimension that keeps every version of its members (SCD type 2).

    Its function takes all rows of the feed and of the sightings, of some members or of all, and returns their history.
    ``publish_history`` of ``lakehouse.publication.scd2`` publishes it and reads the inputs, given ``terms``,
    ``history`` and ``transform``. A partition stands for the changes and first sightings of a day; on disk there are
    none.
    """

    history: History = field(kw_only=True)


def bronze_table(
    *,
    landing_format: LandingFormat,
    business_date: str,
    on_drift: Literal["keep", "refuse"] = "keep",
    owner: str = "team:data-platform",
) -> BronzeTable:
    """Declare a bronze table; the source's folder in the landing zone has the name of the file.

    Args:
        landing_format: how the files are read, with the columns they must have.
        business_date: the column that dates a row: ISO 8601 text, a date or a timestamp.
        on_drift: what becomes of a file whose columns are not the declared ones: ``keep`` reads it, with what is new in
            ``rescued_data``; ``refuse`` refuses it whole, until it is sent as declared.
        owner: who answers for it.
    """
    from lakehouse.ingestion.staging import Source

    module = _calling_module()
    facts = _file_facts(module, line=1)
    source = Source(facts["name"], landing_format, business_date, refuses_drift=on_drift == "refuse")
    return BronzeTable(**facts, owner=owner, partition_column=DAILY, source=source)


def managed_table(*, layout: TableLayout, owner: str = "team:data-platform") -> ManagedTable:
    """Declare a table that the runs of its layer's other tables write."""
    facts = _file_facts(_calling_module(), line=1)
    return ManagedTable(**facts, owner=owner, partition_column=DAILY, layout=layout)


def silver_table(
    *,
    contract: type[Contract],
    key: list[str],
    event_time: str,
    content_key: bool = False,
    latest_by: list[str] | None = None,
    hold_above: float = 0.05,
    owner: str = "team:data-platform",
) -> Callable[[Transform], ContractTable]:
    """Declare a silver table: a function from a bronze table's rows to the contract's columns.

    The function types and derives; it drops no row. Which rows are published, rejected or duplicates is decided by the
    contract and the arguments here.

    Args:
        contract: the table's contract.
        key: the columns that name a row; of several with one key one is published.
        event_time: the column whose date must be the row's business date.
        content_key: the key is one ``surrogate_key`` of all that a row says, so that any row of a key may stay.
        latest_by: columns whose highest value wins among rows of one key.
        hold_above: the share of rejected rows above which a day is held.
        owner: who answers for it.
    """
    policy = Policy(
        tuple(key),
        event_time=event_time,
        content_key=content_key,
        latest_by=tuple(latest_by or ()),
        hold_above=hold_above,
    )
    return _contract_table("silver", contract, policy, DAILY, owner)


def gold_table(
    *,
    contract: type[Contract],
    key: list[str],
    partition_column: str = DAILY,
    reads: Mapping[str, InputWindow] | None = None,
    cluster_by: Sequence[str] = (),
    owner: str = "team:analytics",
) -> Callable[[Transform], ContractTable]:
    """Declare a gold table: a function from silver or gold tables to the contract's columns.

    Args:
        contract: the table's contract; a row that breaks it holds its partition.
        key: the columns that name a row within its partition.
        partition_column: the calendar: ``business_date``, ``week_start`` or ``month_start``.
        reads: how inputs are read, by the function's parameter, where that is not partition by partition.
        cluster_by: columns by which it is clustered on disk instead of partitioned; with the engine ``spark`` only.
        owner: who answers for it.
    """
    policy = Policy(tuple(key))
    return _contract_table("gold", contract, policy, partition_column, owner, tuple(cluster_by), reads or {})


def scd2_table(
    *, contract: type[Contract], history: History, owner: str = "team:analytics"
) -> Callable[[Transform], Scd2Table]:
    """Declare a dimension with history: a function from a feed of changes and tables that speak of its members.

    Args:
        contract: the table's contract: surrogate key, natural key, attributes and the columns of every history.
        history: what it is made from; the function takes those tables in that order.
        owner: who answers for it.

    Raises:
        ValueError: the function takes other tables.
    """
    policy = Policy((history.natural_key, VALID_FROM))
    reads = {table.replace(".", "_"): InputWindow(whole=True, required=False) for table in history.tables}

    def declare(transform: Transform) -> Scd2Table:
        table = _contract_table("gold", contract, policy, DAILY, owner, reads=reads, partitioned=False)(transform)
        if list(table.inputs.values()) != history.tables:
            raise ValueError(f"{table.full_name}: its function takes {', '.join(reads)}, in this order")
        facts = {each.name: getattr(table, each.name) for each in fields(table)}
        return Scd2Table(**facts, history=history)

    return declare


def pool_of(table: str) -> str:
    """Return the pool in which a table, by its full name, has one writer at a time."""
    return table.replace(".", "_")


def _contract_table(
    layer: str,
    contract: type[Contract],
    policy: Policy,
    partition_column: str,
    owner: str,
    cluster_by: tuple[str, ...] = (),
    reads: Mapping[str, InputWindow] | None = None,
    *,
    partitioned: bool = True,
) -> Callable[[Transform], ContractTable]:
    def declare(transform: Transform) -> ContractTable:
        module = sys.modules[transform.__module__]
        facts = _file_facts(module, line=transform.__code__.co_firstlineno)
        if (facts["layer"], facts["name"]) != (layer, transform.__name__):
            raise ValueError(
                f"{layer}.{transform.__name__} is declared in {module.__file__}; one table, one name, one file: "
                f"move it to {layer}/{transform.__name__}.py"
            )
        terms = TableSpec(
            f"{layer}.{facts['name']}",
            contract,
            policy,
            partition_column,
            description=facts["description"],
            cluster_by=cluster_by,
            partitioned=partitioned,
        )
        return ContractTable(
            **facts,
            owner=owner,
            partition_column=partition_column,
            terms=terms,
            transform=transform,
            reads=_known(reads or {}, transform),
        )

    return declare


def _known(reads: Mapping[str, InputWindow], transform: Transform) -> Mapping[str, InputWindow]:
    if unknown := [name for name in reads if name not in inspect.signature(transform).parameters]:
        raise ValueError(f"{transform.__module__}: reads= names {', '.join(unknown)}, no parameter of the function")
    return reads


def _file_facts(module: ModuleType, line: int) -> dict[str, Any]:
    *_, layer, name = module.__name__.split(".")
    if layer not in LAYERS:
        raise ValueError(f"{module.__name__} lies in no layer; a table's file lies in one of {', '.join(LAYERS)}")
    if not module.__doc__:
        raise ValueError(f"{module.__file__} has no docstring; it is the description of {layer}.{name}")
    return {
        "layer": layer,
        "name": name,
        "description": inspect.cleandoc(module.__doc__),
        "file": str(module.__file__),
        "line": line,
    }


def _calling_module() -> ModuleType:
    return sys.modules[sys._getframe(2).f_globals["__name__"]]  # noqa: SLF001 - the way namedtuple finds its module
