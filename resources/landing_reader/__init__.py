"""The landing reader: one landing file in, Arrow batches of text and rejects out, on any engine.

Belongs here: formats, decoding, the proof that a file is legal, parsing, rejects. Knows no engine, table or rule:
where files lie is for ``resources.landing``, what values mean is for ``lakehouse_assets``.
"""

from __future__ import annotations

from resources.landing_reader.columns import FileColumns
from resources.landing_reader.formats import CsvFormat, JsonLinesFormat, LandingFormat, ParquetFormat
from resources.landing_reader.reading import read

__all__ = ["CsvFormat", "FileColumns", "JsonLinesFormat", "LandingFormat", "ParquetFormat", "read"]
