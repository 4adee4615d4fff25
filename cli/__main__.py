"""`python -m cli`, for a checkout without the console script."""

from __future__ import annotations

from cli.main import main

main()
