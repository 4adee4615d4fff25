"""The judgement of rows: published, rejected or duplicate, decided in one projection over a frame.

Belongs here: current file versions, rules, duplicates and their winner, as DataFrame expressions that both engines
run. Counting outcomes and deciding about a whole day is ``audit``'s matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.contracts.casting import RECEIVED
from lakehouse.contracts.contract import columns_of
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.row_outcome import (
    DIGEST,
    DUPLICATE,
    KEY,
    OUTCOME,
    POINTERS,
    PUBLISHED,
    REFUSED,
    REJECTED,
    RULES,
    WARNED,
)
from lakehouse.contracts.rule_compiler import broken, compile_rules, lookups, reader_rule
from lakehouse.delta.model import MissingTableError
from lakehouse.publication.digests import row_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pyspark.sql import Column, DataFrame

    from lakehouse.contracts.contract import Contract
    from lakehouse.contracts.rule_compiler import Rule

    Tables = Callable[[str], DataFrame]
    """Reads another table by name, as ``Engine.read`` does."""


def judge_received(
    bronze: DataFrame,
    transform: Callable[[DataFrame], DataFrame],
    contract: type[Contract],
    policy: Policy,
    *,
    tables: Tables | None = None,
    carried: Sequence[str] = (),
    without: Collection[str] = (),
    report: Callable[[str], None] = lambda _: None,
) -> DataFrame:
    """Judge the rows a silver table makes of bronze rows (current file versions, see ``current_rows``).

    Args:
        bronze: the rows as received.
        transform: the table's own function.
        contract: the table's contract.
        policy: what the table asks beyond it.
        tables: reads the other tables that rules need; without it such rules are not evaluated.
        carried: columns of bronze to keep beside the judgement, to tell which record became which row. Duplicates are
            then told apart here, with a content key, too.
        without: rules about rows to leave out, by name, to see what they are worth.
        report: told of each rule that is not evaluated, because a table it needs was never written.

    Returns:
        The contract's columns, and ``_outcome`` (0 published, 1 duplicate, 2 rejected), ``_rules`` (names of broken
        rules that reject or hold), ``_warned`` (names of broken rules that warn, if the contract has any) and
        ``_rejected`` (for a rejected row: what was received and where it stands; else null). With a content key,
        duplicates are still among the published and ``_digest`` is half of the key, for the audit to find them.
    """
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    unread = F.col("reject_reason").isNotNull()
    frame, rules = _marked(transform(bronze), contract, tables, report, seen=~unread)
    rules = compile_rules(contract, event_time=policy.event_time, received=True) + rules
    rules = [rule for rule in rules if rule.name not in without]
    by_contract = broken([rule for rule in rules if rule.action != "warn"])
    frame = frame.withColumn(RULES, F.when(unread, F.array(reader_rule(F.col("reject_reason")))).otherwise(by_contract))
    good = F.size(RULES) == 0
    warnings = _warnings(rules)
    sent = F.coalesce(F.col("raw_record"), F.col("reject_reason"))
    received = F.when(unread, sent).otherwise(F.to_json(F.col(RECEIVED)))
    rejected = F.struct(received.alias("raw_record"), *[F.col(name) for name in POINTERS])
    names = [column.name for column in columns_of(contract)]
    about = (RULES, *warnings, F.when(~good, rejected).alias(REJECTED))
    if policy.content_key and not carried:
        (key,) = policy.key
        outcome = F.when(good, F.lit(PUBLISHED)).otherwise(F.lit(REFUSED)).alias(OUTCOME)
        return frame.select(*names, outcome, *about, F.unhex(F.substring(key, 1, 32)).alias(DIGEST))
    frame = frame.select(*names, *about, *dict.fromkeys(["source_file", "source_record", *carried]))
    return _duplicates_marked(frame, policy).select(
        *names, OUTCOME, RULES, *[WARNED for _ in warnings], REJECTED, *carried
    )


def judge_derived(
    frame: DataFrame,
    contract: type[Contract],
    *,
    key: Collection[str] = (),
    tables: Tables | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> DataFrame:
    """Judge the rows of a table made from other tables: a rule that rejects is a defect of ours and will hold the day.

    See ``judge_received`` for the columns it adds and for ``tables`` and ``report``; with a ``key``, its hashes come
    along, for the audit to see that none occurs twice.
    """
    from pyspark.sql import functions as F  # noqa: N812

    names = [column.name for column in columns_of(contract)]
    frame, rules = _marked(frame.select(*names), contract, tables, report)
    rules = compile_rules(contract) + rules
    outcome = F.when(F.size(RULES) == 0, F.lit(PUBLISHED)).otherwise(F.lit(REFUSED))
    tagged = frame.withColumn(RULES, broken([rule for rule in rules if rule.action != "warn"]))
    hashes = [row_hash(contract, key, salt=name).alias(name) for name in KEY] if key else []
    return tagged.select(*names, RULES, *_warnings(rules), outcome.alias(OUTCOME), *hashes)


def _marked(
    frame: DataFrame,
    contract: type[Contract],
    tables: Tables | None,
    report: Callable[[str], None],
    *,
    seen: Column | None = None,
) -> tuple[DataFrame, list[Rule]]:
    """Join what rules need of other rows and tables to a frame, and return it with the rules that can be evaluated.

    Args:
        frame: the typed rows.
        contract: their contract.
        tables: reads other tables.
        report: told of each rule that cannot be evaluated.
        seen: true for the rows that a rule about rows together is shown.
    """
    rules = []
    shown = frame if seen is None else frame.where(seen)
    for lookup in lookups(contract):
        try:
            others = [_read(tables, name) for name in lookup.tables]
        except MissingTableError as error:
            report(f"the rule {lookup.rule.name} is not evaluated: {error}")
            continue
        frame = lookup.marked(frame, shown, *others)
        rules.append(lookup.rule)
    return frame, rules


def _read(tables: Tables | None, name: str) -> DataFrame:
    if tables is None:
        raise MissingTableError(f"{name} is not at hand")
    return tables(name)


def _warnings(rules: Sequence[Rule]) -> list[Column]:
    """Return the column of broken rules that warn; none for a contract without any."""
    warning = [rule for rule in rules if rule.action == "warn"]
    return [broken(warning).alias(WARNED)] if warning else []


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
