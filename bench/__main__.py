"""``make bench``: the two backfills of the README, one after the other."""

from __future__ import annotations

import sys

from bench import backfill

GENERATED_ROWS = 5_000_000


def main() -> None:
    """Measure and print."""
    print(f"Real days in {backfill.REPOSITORY / 'data' / 'online_retail'}", file=sys.stderr)
    backfill.show(backfill.real(backfill.REPOSITORY / "data" / "online_retail"))
    print(f"{GENERATED_ROWS:,} generated invoice lines", file=sys.stderr)
    backfill.show(backfill.generated(GENERATED_ROWS))


if __name__ == "__main__":
    main()
