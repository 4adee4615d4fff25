"""Promotion: the one automation condition by which silver and gold materialize.

``AutomationCondition.eager()`` will not do: it promotes partitions whose blocking check failed in another run, looks
only at the latest partition, and forgets updates that arrive while a table is being built.

The gate asks that no blocking check has *failed*, not that it has passed. A table is audited before it is committed and
only then reported, so an input that is reported has passed; and a run that finds nothing new to do leaves the checks
it had planned unevaluated, which must not close a gate that was open.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import dagster as dg

AC = dg.AutomationCondition
SETTLED = "settled"
"""Labels the part of the condition that is true of what was due at the tick before, too.

A tick reads new events up to a moment, and what is in progress a little later: a run that ends in between looks as if
it had built silver and left gold. Who evaluates the condition while nothing else goes on need not wait: see
``sensors.automation``.
"""


def promote(
    required: Iterable[dg.AssetKey], *, all_of_them: bool = True, gated: bool = False
) -> dg.AutomationCondition[dg.AssetKey]:
    """Materialize a partition when an input of it has changed.

    A partition that is held and was never published does not exist, so nothing is made of it. Of one that was, the
    last good version stands, and what else changes is made with that.

    Args:
        required: the inputs that must exist.
        all_of_them: every partition of them must exist. False for weeks and months: shops close on some days, so they
            are built from the days that exist, and again as days arrive.
        gated: none of them may be held, as for weeks and months, which would be made without one of their days.
    """
    changed = AC.any_deps_match(AC.newly_updated())  # stays bare: & and | would drop the times that since() compares
    wanted = changed.since(AC.newly_requested()) & changed.since(AC.newly_updated())
    together = AC.any_deps_match(AC.will_be_requested())  # silver and gold of one partition in one run
    untried = AC.missing() & ~AC.newly_requested().since(changed)
    closed = AC.any_checks_match(AC.check_failed() & ~AC.will_be_requested(), blocking_only=True)
    due = wanted | untried
    settled = (due & ~due.newly_true()).with_label(SETTLED)
    condition = (settled | together) & ~AC.any_deps_in_progress() & ~AC.in_progress()
    needed = dg.AssetSelection.assets(*required)
    if gated:
        condition &= ~AC.any_deps_match(closed).allow(needed)
    some = AC.any_deps_match(~AC.missing() | AC.will_be_requested()).allow(needed)
    missing = AC.any_deps_match(AC.missing() & ~AC.will_be_requested()).allow(needed)
    return cast("dg.AutomationCondition[dg.AssetKey]", condition & (~missing if all_of_them else some))
