"""How fast the landing reader is, and how much memory it takes: ``python -m bench.landing_reader [--json]``.

Belongs here: making the files (1 million rows of 8 columns, 85 MB as CSV) and measuring one read of each in a process
of its own. CPU seconds are what counts, they are steadier than wall seconds; the reader runs on one core.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.landing.reader import CsvFormat, JsonLinesFormat, LandingFormat, read

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = ("order_id", "customer", "ordered_at", "status", "amount", "quantity", "address", "note")
STATUSES = ("NEW", "PAID", "SHIPPED", "RETURNED")
NUMBERS = ("amount", "quantity")
ROWS = 1_000_000
FLOOR_MB_A_SECOND = 100
"""What a clean CSV file must reach on one core, or the benchmark fails."""

FORMATS: dict[str, LandingFormat] = {
    "clean.csv": CsvFormat(COLUMNS),
    "clean.csv.gz": CsvFormat(COLUMNS),
    "unclosed_quote.csv": CsvFormat(COLUMNS),
    "clean.jsonl": JsonLinesFormat(COLUMNS),
}


@dataclass(frozen=True)
class Measurement:
    """One read of one file. MB are millions of bytes of the file as decompressed."""

    file: str
    megabytes: float
    good: int
    rejected: int
    cpu_seconds: float
    wall_seconds: float
    megabytes_a_cpu_second: float
    peak_memory_megabytes: float


def main() -> None:
    """Make the files, read each, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON array instead of a table")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(asdict(measured(arguments.measure))))
        return
    with tempfile.TemporaryDirectory() as folder:
        make_files(Path(folder))
        measurements = [measured_apart(Path(folder) / name) for name in FORMATS]
    print(json.dumps([asdict(one) for one in measurements], indent=2) if arguments.json else as_table(measurements))
    clean = measurements[0]
    if clean.megabytes_a_cpu_second < FLOOR_MB_A_SECOND:
        sys.exit(f"{clean.file}: below {FLOOR_MB_A_SECOND} MB a CPU second")


def make_files(folder: Path) -> None:
    """Write the same rows in every format; a fifth of them have a quoted field. One file has one unclosed quote."""
    header = ",".join(COLUMNS) + "\n"
    with (
        (folder / "clean.csv").open("w") as clean,
        gzip.open(folder / "clean.csv.gz", "wt", 6) as zipped,
        (folder / "unclosed_quote.csv").open("w") as unclosed,
        (folder / "clean.jsonl").open("w") as lines,
    ):
        for file in (clean, zipped, unclosed):
            file.write(header)
        for number, values in enumerate(rows()):
            line = ",".join(f'"{value}"' if "," in value else value for value in values) + "\n"
            clean.write(line)
            zipped.write(line)
            unclosed.write(line.replace(",NEW,", ',"NEW,') if number == ROWS // 2 else line)
            pairs = zip(COLUMNS, values, strict=True)
            members = (f'"{key}":{value}' if key in NUMBERS else f'"{key}":"{value}"' for key, value in pairs)
            lines.write("{" + ",".join(members) + "}\n")


def rows() -> Iterator[tuple[str, ...]]:
    """Yield the rows, the same ones each time."""
    chance = random.Random(7)  # noqa: S311 - rows, no secrets
    for i in range(ROWS):
        yield (
            f"{i:010d}",
            f"C{chance.randrange(99999):05d}",
            f"2026-01-{i % 28 + 1:02d} {i % 24:02d}:{i % 60:02d}:{(i * 7) % 60:02d}",
            STATUSES[i % 4],
            f"{chance.random() * 1000:.2f}",
            str(chance.randrange(20)),
            f"city {chance.randrange(500)}, west" if i % 5 == 0 else f"street no {chance.randrange(9999)}",
            f"note {i * 31 % 100003} text",
        )


def measured_apart(path: Path) -> Measurement:
    """Measure in a new process, so that each file finds the same memory and no warm caches but the disk's."""
    command = [sys.executable, "-m", "bench.landing_reader", "--measure", str(path)]
    return Measurement(**json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


def measured(path: Path) -> Measurement:
    """Read a file once, in this process."""
    megabytes = path.with_suffix("" if path.suffix == ".gz" else path.suffix).stat().st_size / 1e6
    good = rejected = 0
    wall, cpu = time.perf_counter(), time.process_time()
    with path.open("rb") as file:
        for batch in read(file, FORMATS[path.name]):
            accepted = batch["reject_reason"].null_count
            good += accepted
            rejected += batch.num_rows - accepted
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Measurement(
        file=path.name,
        megabytes=round(megabytes, 1),
        good=good,
        rejected=rejected,
        cpu_seconds=round(cpu, 2),
        wall_seconds=round(wall, 2),
        megabytes_a_cpu_second=round(megabytes / cpu, 1),
        peak_memory_megabytes=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    )


def as_table(measurements: list[Measurement]) -> str:
    """Lay the figures out for people."""
    lines = [f"{'file':20}{'MB':>8}{'good':>10}{'rejected':>10}{'CPU s':>8}{'MB/s':>8}{'peak MB':>9}"]
    lines += [
        f"{one.file:20}{one.megabytes:>8}{one.good:>10}{one.rejected:>10}{one.cpu_seconds:>8}"
        f"{one.megabytes_a_cpu_second:>8}{one.peak_memory_megabytes:>9}"
        for one in measurements
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
