"""What the sources' writers hand over for each file: the delivered version and its faults.

Shapes and helpers for whole files shared by the sources belong here; what is in a file does not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from examples.shop.answer_key import DayTally, Expect, Fault, FileVersion, new_tally
from examples.shop.landing import CORRECTIONS, FIRST_WAVE, folder_of, write_bytes
from examples.shop.stock_units import Goods


@dataclass(frozen=True)
class Written:
    """A delivered file version and the faults that came with it.

    Attributes:
        version: The file version.
        faults: Its faults, without identifiers.
        unreported: Record numbers of planted lines that have no fault of their own.
        goods: What its published lines moved, of a transactions file.
    """

    version: FileVersion
    faults: tuple[Fault, ...] = ()
    unreported: tuple[int, ...] = ()
    goods: Goods | None = None

    def with_faults(self, *faults: Fault) -> Written:
        """Return the same file with more faults."""
        return replace(self, faults=(*self.faults, *faults))


def fault_of_file(version: FileVersion, kind: str, expect: Expect, business_date: date) -> Fault:
    """Return a fault that is about a file as a whole; it knows how many good rows the file has."""
    rejected = sum(tally.rejected for tally in version.tally.values())
    return Fault(
        kind=kind,
        source=version.source,
        file=version.key,
        record=None,
        wave=version.wave,
        expect=expect,
        business_date=business_date,
        rows=version.records - rejected,
    )


def told_of_file(
    written: Written, kind: str, expect: Expect, business_date: date, *, replaced: Written | None = None
) -> Written:
    """Return a file with the fault that is about it as a whole, and which version it replaces."""
    fault = fault_of_file(written.version, kind, expect, business_date)
    if replaced is not None:
        fault = replace(fault, versions=(replaced.version.sha256, written.version.sha256))
    return written.with_faults(fault)


def until_corrected(written: Written) -> Written:
    """Return a file whose faults end when its corrected version arrives."""
    return replace(written, faults=tuple(replace(fault, until=CORRECTIONS) for fault in written.faults))


def write_refused(out: Path, key: str, content: bytes, landing_date: date, reason: tuple[str, str]) -> Written:
    """Write a file that must be refused as a whole; it leaves one rejected row on its landing date.

    Args:
        out: The landing root.
        key: The file's key, whose first part is its source.
        content: Its bytes.
        landing_date: The date in its key.
        reason: What is planted, and the rule it breaks.
    """
    kind, rule = reason
    receipt = write_bytes(out / key, content)
    tally = new_tally()
    tally[landing_date] = DayTally(rejected=1)
    source = key.split("/", 1)[0]
    version = FileVersion(key, source, FIRST_WAVE, receipt.sha256, receipt.size_bytes, 0, tally)
    fault = replace(fault_of_file(version, kind, "refused", landing_date), rules=(rule,), rows=None)
    return Written(version, (fault,))


def write_copy(out: Path, original: FileVersion, key: str, wave: int, landing_date: date) -> Written:
    """Write the same bytes again under another name of the same landing date.

    Args:
        out: The landing root.
        original: A file of the first wave.
        key: The copy's key.
        wave: The delivery the copy arrives with.
        landing_date: The date in both keys.
    """
    write_bytes(folder_of(out, wave) / key, (out / original.key).read_bytes())
    fault = fault_of_file(replace(original, key=key, wave=wave), "sent_again_under_another_name", "copy", landing_date)
    version = replace(original, key=key, wave=wave, tally=new_tally())
    return Written(version, (replace(fault, twin=original.key),))
