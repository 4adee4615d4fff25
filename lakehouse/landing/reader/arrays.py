"""Arrow arrays from Python values, made without ``pa.array`` and ``pa.scalar``.

Belongs here: nothing but that. The first call of either imports pandas, which costs a run 0.9 s of CPU that it may not
need to spend (measured with pyarrow 26).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    import msgspec


def integers(values: np.ndarray | Sequence[int]) -> pa.Array:
    """An int64 array."""
    data = np.ascontiguousarray(values, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(data), [None, pa.py_buffer(data)])


def binaries(values: Sequence[msgspec.Raw] | Sequence[bytes]) -> pa.Array:
    """A binary array; the values are laid end to end, which makes no Python object for any of them."""
    return pa.Array.from_buffers(pa.binary(), len(values), [None, *_laid_out(values)])


def texts(values: Sequence[str | None]) -> pa.Array:
    """A string array, with nulls."""
    present = np.packbits([value is not None for value in values], bitorder="little")
    encoded = [b"" if value is None else value.encode("utf-8") for value in values]
    return pa.Array.from_buffers(pa.string(), len(values), [pa.py_buffer(present), *_laid_out(encoded)])


def _laid_out(values: Sequence[msgspec.Raw] | Sequence[bytes]) -> tuple[pa.Buffer, pa.Buffer]:
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, values), np.int32, len(values)), out=offsets[1:])
    return pa.py_buffer(offsets), pa.py_buffer(b"".join(values))
