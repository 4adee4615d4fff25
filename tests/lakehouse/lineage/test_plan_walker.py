"""What a frame's columns are made from, read from its plan, for each way in which functions make frames."""

from __future__ import annotations

import os

import pyspark.sql.types as T  # noqa: N812
import pytest
from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.lineage.plan_walker import LineageError, trace_function

COLUMNS = {
    "lines": T.StructType(
        [
            T.StructField("id", T.StringType()),
            T.StructField("product", T.StringType()),
            T.StructField("amount", T.DecimalType(18, 3)),
            T.StructField("at", T.TimestampType()),
            T.StructField("tags", T.ArrayType(T.StringType())),
        ]
    ),
    "products": T.StructType(
        [
            T.StructField("product", T.StringType()),
            T.StructField("name", T.StringType()),
            T.StructField("valid_from", T.TimestampType()),
        ]
    ),
}


def made(function):
    """Return the values and the rows of each column, as text, of what a function makes of lines and products."""
    found = trace_function(function, {"lines": "lines", "products": "products"}, COLUMNS.__getitem__)
    return {name: (shown(origin.values), shown(origin.rows | found.rows)) for name, origin in found.columns.items()}


def shown(columns):
    return " ".join(sorted(str(column) for column in columns))


def test_a_column_passed_on_or_renamed_is_made_from_itself():
    assert made(lambda lines, products: lines.select("id", F.col("amount").alias("paid"))) == {  # noqa: ARG005
        "id": ("lines.id", ""),
        "paid": ("lines.amount", ""),
    }
    renamed = made(lambda lines, products: lines.withColumnRenamed("id", "key").drop("tags", "at", "product"))  # noqa: ARG005
    assert renamed == {"key": ("lines.id", ""), "amount": ("lines.amount", "")}
    assert made(lambda lines, products: products.toDF("a", "b", "c"))["b"] == ("products.name", "")  # noqa: ARG005


def test_a_replaced_column_is_made_from_what_replaced_it():
    def function(lines, products):
        del products
        return lines.withColumn("amount", F.length("id")).withColumn("twice", F.col("amount") * 2).drop(lines["id"])

    found = made(function)
    assert list(found) == ["product", "amount", "at", "tags", "twice"]
    assert found["twice"] == ("lines.id", "")


def test_a_filter_decides_rows_in_sql_text_too():
    def of(condition):
        return made(lambda lines, products: lines.where(condition()).select("id"))["id"]  # noqa: ARG005

    assert of(lambda: F.col("amount") > 0) == ("lines.id", "lines.amount")
    assert of(lambda: "amount > 0 and `product` <> 'at'") == ("lines.id", "lines.amount lines.product")
    with pytest.raises(LineageError, match="a query in SQL text is not known"):
        of(lambda: "id IN (SELECT product FROM products)")


def test_of_columns_with_one_name_the_frame_that_was_asked_counts():
    def by_frame(lines, products):
        both = lines.join(products, lines["product"] == products["product"])
        return both.select(lines["product"].alias("sold"), products["product"].alias("listed"), "name")

    keys = "lines.product products.product"
    assert made(by_frame) == {
        "sold": ("lines.product", keys),
        "listed": ("products.product", keys),
        "name": ("products.name", keys),
    }

    def by_alias(lines, products):
        both = lines.alias("l").join(products.alias("p"), F.col("l.product") == F.col("p.product"), "left")
        return both.select("l.product", F.col("p.product").alias("listed"), "p.*").select("listed", "name")

    assert made(by_alias)["listed"] == ("products.product", keys)
    with pytest.raises(LineageError, match="`product` could be several columns among id, product"):
        made(lambda lines, products: lines.join(products, lines["id"] == products["name"]).select("product"))


@pytest.mark.parametrize(
    ("how", "key"),
    [
        ("inner", "lines.product"),
        ("left", "lines.product"),
        ("right", "products.product"),
        ("full", "lines.product products.product"),
    ],
)
def test_a_key_that_two_sides_share_is_of_the_side_whose_rows_are_kept(how, key):
    found = made(lambda lines, products: lines.join(products, ["product"], how))
    assert list(found) == ["product", "id", "amount", "at", "tags", "name", "valid_from"]
    assert found["product"] == (key, "lines.product products.product")


@pytest.mark.parametrize("how", ["left_semi", "left_anti"])
def test_a_join_for_rows_only_adds_no_columns(how):
    found = made(lambda lines, products: lines.join(products.where("name > ''"), "product", how))
    assert list(found) == ["id", "product", "amount", "at", "tags"]
    assert found["id"] == ("lines.id", "lines.product products.name products.product")


def test_groups_decide_rows_and_a_count_of_them_has_no_values():
    def function(lines, products):
        del products
        sums = [F.sum("amount").alias("sales"), F.count(F.lit(1)).alias("lines")]
        return lines.groupBy(F.to_date("at").alias("day")).agg(*sums)

    assert made(function) == {
        "day": ("lines.at", "lines.at"),
        "sales": ("lines.amount", "lines.at"),
        "lines": ("", "lines.at"),
    }


def test_a_window_decides_rows_of_its_own_column_and_a_place_is_made_from_the_order():
    def function(lines, products):
        del products
        window = Window.partitionBy("product").orderBy("at", F.col("id").desc())
        last = F.lag("amount").over(window).alias("last")
        return lines.select("id", F.row_number().over(window).alias("place"), last)

    assert made(function) == {
        "id": ("lines.id", ""),
        "place": ("lines.at lines.id", "lines.at lines.id lines.product"),
        "last": ("lines.amount", "lines.at lines.id lines.product"),
    }


def test_a_field_of_a_struct_is_made_from_what_the_field_is():
    def function(lines, products):
        del products
        packed = lines.select(F.struct("id", F.upper("product").alias("code")).alias("line"))
        return packed.select("line.code", F.col("line")["id"].alias("key"), F.to_json("line").alias("text"))

    assert made(function) == {
        "code": ("lines.product", ""),
        "key": ("lines.id", ""),
        "text": ("lines.id lines.product", ""),
    }


def test_an_array_made_into_rows_decides_how_many_there_are():
    found = made(lambda lines, products: lines.select("id", F.explode("tags").alias("tag")))  # noqa: ARG005
    assert found == {"id": ("lines.id", "lines.tags"), "tag": ("lines.tags", "lines.tags")}


def test_variables_of_a_function_over_an_array_are_its_elements():
    def function(lines, products):
        del products
        return lines.select(F.transform("tags", lambda tag: F.concat(tag, "id")).alias("made"))

    assert made(function) == {"made": ("lines.id lines.tags", "")}


def test_rows_put_together_are_made_from_both():
    def function(lines, products):
        return lines.select("id", "product").unionByName(products.select("product"), allowMissingColumns=True)

    assert made(function) == {"id": ("lines.id", ""), "product": ("lines.product products.product", "")}

    def without(lines, products):
        return lines.select("product").subtract(products.select("name"))

    assert made(without) == {"product": ("lines.product products.name", "lines.product products.name")}


def test_repeats_left_out_and_nulls_left_out_decide_rows():
    def of(function):
        return made(lambda lines, products: function(lines).select("id"))["id"][1]  # noqa: ARG005

    assert of(lambda lines: lines.dropDuplicates(["product", "at"])) == "lines.at lines.product"
    assert of(lambda lines: lines.select("id", "at").distinct()) == "lines.at lines.id"
    assert of(lambda lines: lines.dropna(subset=["amount"])) == "lines.amount"
    assert of(lambda lines: lines.orderBy("at").limit(1)) == "lines.at"


def test_columns_made_into_rows_are_made_from_all_of_them():
    def function(lines, products):
        del products
        return lines.unpivot("id", ["product", F.col("at").cast("string")], "what", "value")

    assert made(function) == {
        "id": ("lines.id", ""),
        "what": ("", ""),
        "value": ("lines.at lines.product", ""),
    }


def test_names_that_ask_for_quotes_are_found():
    columns = {"odd": T.StructType([T.StructField("a.b", T.StringType()), T.StructField("c`d", T.StringType())])}
    found = trace_function(lambda odd: odd.select("`a.b`", F.upper("`c``d`").alias("x")), {"odd": "odd"}, columns.get)
    assert {name: shown(origin.values) for name, origin in found.columns.items()} == {"a.b": "odd.a.b", "x": "odd.c`d"}


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda lines: lines.sample(0.5), "the relation `sample` is not known to lineage"),
        (
            lambda lines: lines.mapInArrow(lambda batches: batches, COLUMNS["products"]),
            "the relation `map_partitions` is not",
        ),
        (lambda lines: lines.groupBy("id").pivot("product", ["a"]).count(), "GROUP_TYPE_PIVOT is not known to lineage"),
        (
            lambda lines: lines.select(F.udf(lambda text: text)("id").alias("x")),
            "expression `common_inline_user_defined_function` is",
        ),
        (lambda lines: lines.select(F.col("nothing")), "`nothing` is no column among id, product"),
        (lambda lines: lines.sparkSession.createDataFrame([], "id string"), "`createDataFrame` of a session computes"),
        (lambda lines: lines.collect(), "` of a session computes something"),
    ],
)
def test_what_is_not_known_is_an_error_that_names_it(function, told):
    with pytest.raises(LineageError) as error:
        made(lambda lines, products: function(lines))  # noqa: ARG005
    assert told in str(error.value)


def test_a_function_may_ask_for_columns_and_for_types_that_need_no_engine():
    def function(lines, products):
        del products
        frame = lines.withColumn("size", F.length("id"))
        assert frame.columns == ["id", "product", "amount", "at", "tags", "size"]
        assert [each.dataType for each in lines.schema][2] == T.DecimalType(18, 3)
        return frame.select([each.name for each in frame.schema if each.name != "tags"])

    assert list(made(function)) == ["id", "product", "amount", "at", "size"]

    with pytest.raises(LineageError, match="asks for the type of size, which is computed"):
        made(lambda lines, products: lines if is_text(lines.select(F.length("id").alias("size"))) else products)


def is_text(frame):
    return isinstance(frame.schema["size"].dataType, T.StringType)


def test_beside_a_jvm_session_functions_make_plans_and_are_left_as_they_were(monkeypatch):
    monkeypatch.delenv("SPARK_CONNECT_MODE_ENABLED", raising=False)
    assert made(lambda lines, products: lines.select(F.upper("id").alias("x")))["x"] == ("lines.id", "")  # noqa: ARG005
    assert "SPARK_CONNECT_MODE_ENABLED" not in os.environ
