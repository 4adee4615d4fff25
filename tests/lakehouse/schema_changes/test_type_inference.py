"""The type that is proposed for a column fits every one of its values."""

from __future__ import annotations

import pytest

from lakehouse.schema_changes.type_inference import TypeInference


@pytest.mark.parametrize(
    ("values", "type_", "spark_type"),
    [
        (["1", "-20", " 3 "], "integer", "T.LongType"),
        (["1", "2.50", "-0.125"], "decimal", "T.DecimalType(18, 3)"),
        (["9" * 19 + ".5"], "decimal", "T.DecimalType(20, 1)"),
        (["007", "12"], "text", "T.StringType"),
        (["9" * 30], "text", "T.StringType"),
        (["1e5"], "text", "T.StringType"),
        (["true", "False"], "boolean", "T.BooleanType"),
        (["2024-01-05", "2023-12-31"], "date", "T.DateType"),
        (["2024-01-05", "2024-01-05T10:00:00Z"], "timestamp", "T.TimestampType"),
        (["10:30"], "text", "T.StringType"),
        (["2024"], "integer", "T.LongType"),
        (["", "  ", "5"], "integer", "T.LongType"),
        ([], "text", "T.StringType"),
    ],
)
def test_a_type_is_inferred_that_every_value_fits(values, type_, spark_type):
    inferred = TypeInference()
    for value in values:
        inferred.observe(value)
    assert (inferred.type, inferred.spark_type) == (type_, spark_type)
