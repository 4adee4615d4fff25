"""The judgement of rows: published, rejected or duplicate, decided in one projection over a frame.

Belongs here: current file versions, rules, duplicates and their winner, as DataFrame expressions that both engines
run. Counting outcomes and deciding about a whole day is ``audit``'s matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality.casting import RECEIVED
from quality.contract import columns_of
from quality.rules import broken, compile_rules, reader_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import DataFrame

    from quality.contract import Contract

OUTCOME, RULES, REJECTED, DIGEST = "_outcome", "_rules", "_rejected", "_digest"
PUBLISHED, DUPLICATE, REFUSED = 0, 1, 2
SUPERSEDED_MARK = "file:superseded"
POINTERS = (
    "source_file",
    "source_version",
    "source_record",
    "landing_date",
    "batch_id",
    "ingestion_timestamp",
)
"""Bronze's columns that lead from a row back to the landing file."""


@dataclass(frozen=True)
class Policy:
    """What a table asks of its rows and days beyond the contract's own rules.

    Attributes:
        key: columns that name a row; the audit holds a day in which a key occurs twice.
        event_time: the column whose date must be the business date, in silver.
        content_key: the key is one ``surrogate_key`` of all that a row says, so rows of one key are alike and any of
            them may stay. They are then told apart while streaming, at a tenth of the cost of sorting them.
        latest_by: of the rows with one key the one with the highest value here stays; the rest are duplicates.
        hold_above: the share of rejected rows above which a day is held.
        hold_from: the number of rejected rows below which no day is held for their share, so that one bad row does
            not hold a small day.
    """

    key: tuple[str, ...]
    event_time: str | None = None
    content_key: bool = False
    latest_by: tuple[str, ...] = ()
    hold_above: float = 0.05
    hold_from: int = 20


def judge_received(
    bronze: DataFrame,
    transform: Callable[[DataFrame], DataFrame],
    contract: type[Contract],
    policy: Policy,
    *,
    carried: Sequence[str] = (),
) -> DataFrame:
    """Judge the rows a silver table makes of bronze rows (current file versions, see ``current``).

    Args:
        bronze: the rows as received.
        transform: the table's own function.
        contract: the table's contract.
        policy: what the table asks beyond it.
        carried: columns of bronze to keep beside the judgement, to tell which record became which row. Duplicates are
            then told apart here, with a content key, too.

    Returns:
        The contract's columns, and ``_outcome`` (0 published, 1 duplicate, 2 rejected), ``_rules`` (names of broken
        rules) and ``_rejected`` (for a rejected row: what was received and where it stands; else null). With a content
        key, duplicates are still among the published and ``_digest`` is half of the key, for the audit to find them.
    """
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    frame = transform(bronze)
    unread = F.col("reject_reason").isNotNull()
    by_contract = broken(compile_rules(contract, event_time=policy.event_time, received=True))
    frame = frame.withColumn(RULES, F.when(unread, F.array(reader_rule(F.col("reject_reason")))).otherwise(by_contract))
    good = F.size(RULES) == 0
    sent = F.coalesce(F.col("raw_record"), F.col("reject_reason"))
    received = F.when(unread, sent).otherwise(F.to_json(F.col(RECEIVED)))
    rejected = F.struct(received.alias("raw_record"), *[F.col(name) for name in POINTERS])
    names = [column.name for column in columns_of(contract)]
    about = (RULES, F.when(~good, rejected).alias(REJECTED))
    if policy.content_key and not carried:
        (key,) = policy.key
        outcome = F.when(good, F.lit(PUBLISHED)).otherwise(F.lit(REFUSED)).alias(OUTCOME)
        return frame.select(*names, outcome, *about, F.unhex(F.substring(key, 1, 32)).alias(DIGEST))
    frame = frame.select(*names, *about, *dict.fromkeys(["source_file", "source_record", *carried]))
    return _duplicates_marked(frame, policy).select(*names, OUTCOME, RULES, REJECTED, *carried)


def judge_derived(frame: DataFrame, contract: type[Contract]) -> DataFrame:
    """Judge the rows of a table made from other tables: a broken rule is a defect of ours and will hold the day."""
    from pyspark.sql import functions as F  # noqa: N812

    names = [column.name for column in columns_of(contract)]
    tagged = frame.select(*names).withColumn(RULES, broken(compile_rules(contract)))
    outcome = F.when(F.size(RULES) == 0, F.lit(PUBLISHED)).otherwise(F.lit(REFUSED))
    return tagged.withColumn(OUTCOME, outcome)


def _duplicates_marked(frame: DataFrame, policy: Policy) -> DataFrame:
    """Add ``_outcome``: of a day's good rows with one key, one is published; which one never depends on arrival."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F  # noqa: N812

    good = F.size(RULES) == 0
    order = [
        *[F.col(name).desc_nulls_last() for name in policy.latest_by],
        F.col("source_file"),
        F.col("source_record"),
    ]
    place = F.row_number().over(Window.partitionBy("business_date", *policy.key, good).orderBy(*order))
    outcome = F.when(~good, F.lit(REFUSED)).when(place > 1, F.lit(DUPLICATE)).otherwise(F.lit(PUBLISHED))
    return frame.withColumn(OUTCOME, outcome)
