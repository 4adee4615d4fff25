"""The landing reader: one landing file in, Arrow batches of text and rejects out, on any engine.

Belongs here: formats, decoding, the proof that a file is legal, parsing, rejects. Knows no engine, table or rule:
where files lie is for ``lakehouse.landing.zone``, what values mean is for ``lakehouse_assets``.
"""

from __future__ import annotations

from lakehouse.landing.reader.columns import FileColumns
from lakehouse.landing.reader.formats import CsvFormat, JsonLinesFormat, LandingFormat, ParquetFormat
from lakehouse.landing.reader.reading import read

__all__ = ["CsvFormat", "FileColumns", "JsonLinesFormat", "LandingFormat", "ParquetFormat", "read"]
