"""Benchmarks: what a part costs beside what it replaces. Each prints its figures; ``--json`` is for programs.

Not whether a part is right (``tests``), nor anything the lakehouse imports.
"""
