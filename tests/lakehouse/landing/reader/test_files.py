"""Files as storage hands them out: short reads, no seeking, failing reads; and what reading costs a run."""

from __future__ import annotations

import gzip
import io
import pickle
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.landing.reader import CsvFormat, JsonLinesFormat, ParquetFormat, read

CSV = CsvFormat(("id", "name"))
JSONL = JsonLinesFormat(("id", "name"))
PARQUET = ParquetFormat((("id", "string"), ("name", "string")))
UTF16 = CsvFormat(CSV.columns, encoding="utf-16")
ROWS = [{"id": str(i), "name": f"n{i}"} for i in range(2000)]
AS_CSV = "\n".join(["id,name", *(f"{row['id']},{row['name']}" for row in ROWS)])
AS_JSONL = "\n".join(f'{{"id":"{row["id"]}","name":"{row["name"]}"}}' for row in ROWS)


def as_parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), sink, row_group_size=500)
    return sink.getvalue()


FILES = {
    "csv": (AS_CSV.encode(), CSV),
    "csv.gz": (gzip.compress(AS_CSV.encode()), CSV),
    "utf-16": (AS_CSV.encode("utf-16"), UTF16),
    "jsonl": (AS_JSONL.encode(), JSONL),
    "parquet": (as_parquet(), PARQUET),
}

every_file = pytest.mark.parametrize(("content", "declared"), FILES.values(), ids=FILES.keys())


class Dripping(io.RawIOBase):
    """A stream that cannot seek and returns fewer bytes than asked for, as sockets do."""

    def __init__(self, content: bytes):
        """Drip these bytes."""
        self.content = io.BytesIO(content)

    def readable(self) -> bool:
        """Say that it can be read, as streams must."""
        return True

    def readinto(self, buffer) -> int:
        """Read one byte at a time at first, where byte order marks and the like are, then a few."""
        data = self.content.read(min(len(buffer), 1 if self.content.tell() < 10 else 20))
        buffer[: len(data)] = data
        return len(data)


class FailingStorageError(OSError):
    """The storage failed; the file may be fine."""


class Failing(io.BytesIO):
    """A file whose storage fails once so many bytes have been read."""

    def __init__(self, content: bytes, after: int):
        """Hold these bytes, and hand out so many of them."""
        super().__init__(content)
        self.left = after

    def read(self, size: int | None = -1) -> bytes:
        """Read, or fail."""
        data = super().read(size)
        self.left -= len(data)
        if self.left < 0:
            raise FailingStorageError("connection reset")
        return data


def rows_of(file, declared, **options) -> list[dict]:
    return [
        {"id": row["id"], "name": row["name"]} for batch in read(file, declared, **options) for row in batch.to_pylist()
    ]


@every_file
def test_a_file_is_read(content: bytes, declared):
    assert rows_of(io.BytesIO(content), declared) == ROWS


@every_file
def test_a_stream_that_drips_and_cannot_seek_is_read(content: bytes, declared):
    assert rows_of(Dripping(content), declared) == ROWS


@every_file
def test_a_file_is_read_in_small_batches(content: bytes, declared):
    batches = list(read(io.BytesIO(content), declared, block_bytes=1000))
    assert len(batches) > 5
    assert [number for batch in batches for number in batch["source_record"].to_pylist()] == list(range(1, 2001))


@every_file
@pytest.mark.parametrize("part", [0.0, 0.6])
def test_failing_storage_raises_and_is_never_taken_for_a_broken_file(content: bytes, declared, part: float):
    with pytest.raises(FailingStorageError):
        rows_of(Failing(content, int(len(content) * part)), declared, block_bytes=500)


@every_file
def test_a_format_can_be_sent_to_another_process(content: bytes, declared):
    sent = pickle.loads(pickle.dumps(declared))  # noqa: S301 - our own bytes
    assert sent == declared
    assert rows_of(io.BytesIO(content), sent) == ROWS


def test_reading_text_does_not_import_pandas_which_would_cost_a_run_a_second():
    program = (
        "import io, sys; from lakehouse.landing.reader import *\n"
        "text = b'id,name,x\\n1,ann,y\\n2\\n'\n"
        "assert len(list(read(io.BytesIO(text), CsvFormat(('id', 'name'))))) == 2\n"
        'text = b\'{"id":"1","name":null}\\n{"id":"2","name":"\\\\n","x":1}\\n{"\\n\'\n'
        "assert len(list(read(io.BytesIO(text), JsonLinesFormat(('id', 'name'))))) == 2\n"
        "assert len(list(read(io.BytesIO(b''), CsvFormat(('id', 'name'))))) == 1\n"
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
