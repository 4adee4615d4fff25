"""`python -m lakehouse`, for a checkout without the console script."""

from __future__ import annotations

from lakehouse.cli.main import main

main()
