"""The row ledger: for each audited partition, where every row went.

Belongs here: the ledger table's layout and how a tally becomes a line of it. A line is added for every audit; the
newest of a partition counts.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.delta.system_tables import LEDGER

if TYPE_CHECKING:
    from lakehouse.publication.audit import DayTally


def ledger_lines(
    table: str,
    tallies: Mapping[dt.date, DayTally],
    held: Mapping[dt.date, str],
    *,
    run_id: str,
    recorded_at: dt.datetime,
    version: int | None,
    rules_version: str | None = None,
) -> pa.Table:
    """Return the ledger's lines for the partitions of one write; ``held`` gives the reason of the held ones.

    The reason of a day that was released is who did so and why.
    """
    return pa.Table.from_pylist(
        [
            {
                "table_name": table,
                "business_date": day,
                "run_id": run_id,
                "recorded_at": recorded_at,
                "verdict": "held" if day in held else "published",
                "reason": held.get(day) or tally.released,
                "rows_in": tally.rows_in,
                "published": tally.published,
                "rejected": tally.rejected,
                "duplicate": tally.duplicate,
                "superseded": tally.superseded,
                "rules": json.dumps(dict(sorted(tally.rules.items()))),
                "delta_version": None if day in held else version,
                "discarded": tally.discarded,
                "late": tally.late,
                "replayed": tally.replayed,
                "warned": json.dumps(dict(sorted(tally.warned.items()))),
                "rules_version": rules_version,
            }
            for day, tally in sorted(tallies.items())
        ],
        schema=LEDGER.schema,
    )
