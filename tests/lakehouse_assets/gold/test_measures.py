"""The measures that gold tables share."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pyspark.sql import functions as F  # noqa: N812

from lakehouse_assets.gold._measures import ratio
from tests.conftest import ENGINES

QUOTIENTS = {
    ("10.000", "3.000", 3): "3.333",
    ("20.000", "3.000", 3): "6.667",
    ("0.005", "10.000", 3): "0.001",
    ("-0.005", "10.000", 3): "0.000",
    ("-20.000", "3.000", 3): "-6.667",
    ("1.000", "16.000", 3): "0.063",
    ("1.000", "7.000", 4): "0.1429",
    ("2.499", "2000000.000", 4): "0.0000",
    ("0.012", "80.001", 4): "0.0001",
    ("999999999999999.999", "7.000", 3): "142857142857142.857",
    ("0.000", "5.000", 4): "0.0000",
    ("5.000", "0.000", 3): None,
    ("5.000", "-2.000", 3): None,
    (None, "2.000", 3): None,
}


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("digits", [3, 4])
def test_a_ratio_is_rounded_half_up_from_all_its_digits(engine, digits):
    expected = {case: _money(text) for case, text in QUOTIENTS.items() if case[-1] == digits}
    numbers = [(_money(above), _money(below)) for above, below, _ in expected]
    frame = engine.session().createDataFrame(numbers, "above decimal(18,3), below decimal(18,3)")
    found = frame.select(ratio(F.col("above"), F.col("below"), digits).alias("quotient"))
    assert found.dtypes == [("quotient", f"decimal(18,{digits})")]
    assert dict(zip(expected, [row.quotient for row in found.collect()], strict=True)) == expected


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
