"""Replay: what would become of rejected rows if their days were judged now.

Belongs here: judging some records again, by the contract as it is and the decisions there are; nothing is written.
Whole days are judged again by publishing them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from lakehouse.contracts.row_outcome import RULES
from lakehouse.delta.predicates import Predicate
from lakehouse.publication.publish import judged_days
from lakehouse.quarantine.decisions import Decision, Place, at_places

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lakehouse.contracts.table_spec import TableSpec
    from lakehouse.engines.base import Engine


def judged_again(
    engine: Engine,
    terms: TableSpec,
    transform: Callable[[DataFrame], DataFrame],
    bronze: str,
    places: Collection[Place],
    *,
    proposed: Sequence[Decision] = (),
) -> Mapping[Place, tuple[str, ...]]:
    """Return, for some records, the rules that each would break now; none for one that would pass.

    Records that are discarded, or are in bronze no more, are left out. The records are judged by themselves: a rule
    that looks at rows together sees no others.

    Args:
        engine: where the tables are.
        terms: the table the records are meant for.
        transform: the table's own function.
        bronze: the table they were received into.
        places: where they stand.
        proposed: decisions that nobody has taken yet, to see what they would do.
    """
    if not places:
        return {}
    days = sorted({place.business_date for place in places})
    received = at_places(engine, engine.read(bronze, Predicate("business_date", tuple(days))), places)
    carried = [name for name in Place._fields if name != "business_date"]
    found: dict[Place, tuple[str, ...]] = {}
    for judged in judged_days(engine, terms, transform, received, days, carried=carried, proposed=proposed):
        rows = engine.collect(judged.frame.select(*Place._fields, RULES)).to_pylist()
        found |= {Place.of(row): tuple(row[RULES]) for row in rows}
    return found
