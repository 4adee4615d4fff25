"""Keys made from content."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.contracts.keys import surrogate_key
from lakehouse.engines.sail import SailEngine
from tests.frames import picked

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=4)


def keys_of(rows, schema="a string, b string"):
    frame = SailEngine("unused").session().createDataFrame(rows, schema)
    names = [part.split()[0] for part in schema.split(", ")]
    return [key for (key,) in picked(frame.select(surrogate_key(*names).alias("key")), "key")]


def test_a_key_is_the_sha256_of_the_values():
    assert keys_of([("ab", "c")]) == [hashlib.sha256(b"2:ab1:c").hexdigest()]


def test_null_is_not_an_empty_text_and_columns_do_not_run_together():
    rows = [("ab", "c"), ("a", "bc"), ("", ""), (None, ""), ("", None), (None, None)]
    assert len(set(keys_of(rows))) == len(rows)


def test_money_and_time_have_one_spelling():
    session = SailEngine("unused").session()
    frame = session.sql(
        "SELECT CAST('2.5' AS DECIMAL(18,3)) AS m, TIMESTAMP '2011-03-01 08:00:00' AS t "
        "UNION ALL SELECT CAST('2.500' AS DECIMAL(18,3)), TIMESTAMP '2011-03-01 10:00:00+02:00'"
    )
    first, second = picked(frame.select(surrogate_key("m", "t").alias("key")), "key")
    assert first == second


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.none() | TEXTS, st.none() | TEXTS), min_size=2, max_size=12, unique=True))
def test_different_rows_have_different_keys(rows):
    assert len(set(keys_of(rows))) == len(rows)
