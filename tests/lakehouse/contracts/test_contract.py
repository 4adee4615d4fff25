"""What the project reads out of a contract."""

from __future__ import annotations

import pyarrow as pa
import pyspark.sql.types as T  # noqa: N812
import pytest
from pandera.pyspark import dataframe_check

from lakehouse.contracts.contract import Contract, arrow_schema, column, columns_of, spark_schema


class Lines(Contract):
    """Two columns."""

    price: T.DecimalType(18, 3) = column("price of one unit", unit="GBP", source="UnitPrice", ge=0)
    sold_at: T.TimestampType = column("time of the sale, UTC", nullable=True)


def test_columns_carry_type_source_description_and_checks():
    price, sold_at = columns_of(Lines)
    assert (price.name, price.type, price.nullable, price.source) == ("price", T.DecimalType(18, 3), False, "UnitPrice")
    assert (price.description, price.unit, price.checks) == (
        "price of one unit",
        "GBP",
        (("greater_than_or_equal_to", {"min_value": 0}),),
    )
    assert (sold_at.name, sold_at.nullable, sold_at.source, sold_at.checks) == ("sold_at", True, None, ())


@pytest.mark.parametrize("values", [("UK",), ("UK", "France"), ["UK"]])
def test_a_list_of_values_stays_one_however_it_is_written(values):
    class Countries(Contract):
        country: T.StringType = column("country", isin=values)

    assert columns_of(Countries)[0].checks == (("isin", {"allowed_values": list(values)}),)


def test_schemas_keep_the_contracts_order_and_say_utc():
    assert spark_schema(Lines).simpleString() == "struct<price:decimal(18,3),sold_at:timestamp>"
    assert arrow_schema(Lines) == pa.schema(
        [("price", pa.decimal128(18, 3)), ("sold_at", pa.timestamp("us", tz="UTC"))]
    )


def test_a_meaning_ends_with_its_unit_and_stands_in_the_schema():
    price, sold_at = columns_of(Lines)
    assert (price.meaning, sold_at.meaning) == ("price of one unit [GBP]", "time of the sale, UTC")
    assert arrow_schema(Lines).field("price").metadata == {b"comment": b"price of one unit [GBP]"}


def test_a_check_over_a_whole_frame_is_refused():
    class Whole(Contract):
        n: T.IntegerType = column("a number")

        @dataframe_check
        def any_rows(cls, _):  # noqa: N805 - Pandera's way
            return True

    with pytest.raises(TypeError, match="give them to the audit"):
        columns_of(Whole)
