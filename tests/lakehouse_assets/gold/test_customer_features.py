"""`gold.customer_features`: what was known of a customer when a month began, and nothing that came later."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.contracts.contract import spark_schema
from lakehouse.engines.sail import SailEngine
from lakehouse_assets.gold.customer_features import CustomerFeatures, customer_features
from tests.frames import customer_month, customer_months, monthly_sales

AS_OF = "2011-03"
MONTHS = [f"{year}-{month:02}" for year in (2009, 2010, 2011) for month in range(1, 13)]
EARLIER, LATER = MONTHS[: MONTHS.index(AS_OF)], MONTHS[MONTHS.index(AS_OF) :]
SEEN = EARLIER[-24:]


def features(engine, rows, *months) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the table's rows by month and customer."""
    frame = customer_features(customer_months(engine, rows), monthly_sales(engine, *months))
    assert frame.schema.names == spark_schema(CustomerFeatures).names
    found = engine.collect(frame).to_pylist()
    by_key = {(row["month_start"].isoformat()[:7], row["customer_id"]): row for row in found}
    assert len(by_key) == len(found)
    return by_key


@st.composite
def months_of(draw, months, *, least=0):
    """Return rows of some customers in some months, at most one a month and customer."""
    keys = draw(st.sets(st.tuples(st.sampled_from(months), st.integers(1, 3)), min_size=least, max_size=12))
    rows = []
    for month, customer_id in sorted(keys):
        orders = draw(st.integers(0, 3))
        first = dt.date.fromisoformat(f"{month}-{draw(st.integers(1, 14)):02}")
        last = first + dt.timedelta(days=draw(st.integers(0, 14)))
        sold = {"first_sold_on": first, "last_sold_on": last} if orders else {}
        back = Decimal(draw(st.integers(-5000, 0))) / 10
        rows.append(customer_month(month, customer_id, sale_orders=orders, returns=back, **sold))
    return rows


@settings(max_examples=25, deadline=None)
@given(months_of(EARLIER, least=1), months_of(LATER), months_of(LATER))
def test_no_row_of_the_as_of_date_or_later_changes_a_feature(rows, later, changed):
    engine = SailEngine("unused")
    assert features(engine, [*rows, *later], AS_OF) == features(engine, [*rows, *changed], AS_OF)


@settings(max_examples=25, deadline=None)
@given(months_of(EARLIER), months_of(LATER), st.sampled_from(SEEN))
def test_a_sale_before_the_as_of_date_changes_the_features_of_its_customer_and_of_no_other(rows, later, month):
    engine = SailEngine("unused")
    before = features(engine, [*rows, *later], AS_OF)
    after = features(engine, [*rows, *later, customer_month(month, customer_id=4)], AS_OF)
    assert {key for key in {*before, *after} if before.get(key) != after.get(key)} == {(AS_OF, 4)}
    assert after[(AS_OF, 4)]["tenure_days"] == (dt.date(2011, 3, 1) - dt.date.fromisoformat(f"{month}-01")).days


def test_a_month_more_before_the_as_of_date_is_in_every_sum_that_reaches_so_far(engine):
    spans = (1, 3, 6, 12)
    for ago, month in enumerate(reversed(EARLIER), start=1):
        found = features(engine, [customer_month(month, returns=Decimal("-20.500"))], AS_OF)
        if ago > 24:
            assert found == {}
            continue
        row = found[(AS_OF, 1)]
        reaching = [ago <= span for span in spans]
        assert [row[f"orders_{span}m"] for span in spans] == [int(it) for it in reaching]
        assert [row[f"gross_sales_{span}m"] for span in spans] == [100 * it for it in reaching]
        assert [row[f"returns_{span}m"] for span in spans] == [Decimal("-20.500") * it for it in reaching]
        assert [row[f"net_sales_{span}m"] for span in spans] == [Decimal("79.500") * it for it in reaching]
        assert row["active_months"] == int(reaching[-1])
        assert (row["average_basket_12m"], row["return_share_12m"]) == (
            (100, Decimal("0.2050")) if ago <= 12 else (None, None)
        )


def test_features_of_several_months_are_those_of_each_alone(engine):
    chance = random.Random(1)  # noqa: S311 - a test's rows, not a secret
    keys = [(month, customer_id) for month in MONTHS for customer_id in (1, 2, 3) if chance.random() < 0.4]
    rows = [customer_month(month, customer_id, sale_orders=chance.randrange(3)) for month, customer_id in keys]
    together = features(engine, rows, *MONTHS)
    alone: dict[tuple[str, int], dict[str, Any]] = {}
    for month in MONTHS[::5]:
        alone |= features(engine, rows, month)
    assert alone == {key: row for key, row in together.items() if key[0] in MONTHS[::5]}
    assert {month for month, _ in together} == {*MONTHS[1:]}


def test_days_are_counted_from_the_first_and_the_last_sale_to_the_as_of_date(engine):
    rows = [
        customer_month("2010-11", first_sold_on=dt.date(2010, 11, 3), last_sold_on=dt.date(2010, 11, 20)),
        customer_month("2011-02", first_sold_on=dt.date(2011, 2, 2), last_sold_on=dt.date(2011, 2, 28)),
        customer_month("2011-02", 2, sale_orders=0, returns=Decimal("-7.000")),
    ]
    found = features(engine, rows, AS_OF)
    told = [(row["days_since_last_sale"], row["tenure_days"], row["active_months"]) for row in found.values()]
    assert sorted(told, key=str) == [(1, 118, 2), (None, None, 0)]
    assert (found[(AS_OF, 2)]["net_sales_1m"], found[(AS_OF, 2)]["return_share_12m"]) == (Decimal("-7.000"), None)


def test_an_average_basket_is_rounded_half_up(engine):
    row = customer_month("2011-02", sale_orders=8, gross_sales=Decimal("100.004"), returns=Decimal("-0.005"))
    found = features(engine, [row], AS_OF)[(AS_OF, 1)]
    assert found["average_basket_12m"] == Decimal("12.501")  # 12.5005
    assert found["return_share_12m"] == Decimal("0.0000")


def test_a_month_without_sales_has_no_rows(engine):
    rows = [customer_month("2011-01")]
    assert {month for month, _ in features(engine, rows, "2011-01", "2011-02")} == {"2011-02"}
    assert features(engine, [], AS_OF) == {}
