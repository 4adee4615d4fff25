"""`gold.customer_segments`: each customer in one segment a month, by the rule of `docs/customer_segments.md`."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import duckdb
import pytest
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import arrow_schema, spark_schema
from lakehouse_assets.gold import customer_segments as rule
from lakehouse_assets.gold.customer_segments import CustomerSegments, customer_segments, segment_of
from tests.docs.pages import page
from tests.frames import customer_month, customer_months, monthly_sales, picked

PAGE = page("docs/customer_segments.md")
COMBINATIONS = list(itertools.product(rule.RECENCY, rule.FREQUENCY, rule.MONETARY))
YEARS = [f"{year}-{month:02}" for year in (2009, 2010, 2011, 2012) for month in range(1, 13)]
MONEY = ("-40", "0", "499.999", "500", "1999.999", "2000", "70.125", "800")


@cache
def tables(heading: str) -> list[dict[str, str]]:
    """Return the rows of the table under a heading of the page."""
    part = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")
    ]
    return [dict(zip(lines[0], row, strict=True)) for row in lines[2:]]


def span(text: str) -> tuple[int, int]:
    """Read `1-3` as from one to three, and `2` as two and no other."""
    first, _, last = text.partition("-")
    return int(first), int(last or first)


@cache
def thresholds(measure: str, words: str) -> dict[int, int]:
    """Return the thresholds of a measure by score, as the page has them."""
    (name,) = [name for name in tables("Scores")[0] if name.startswith(measure)]
    cells = {int(row["score"]): row[name] for row in tables("Scores")}
    return {score: int(cell.removeprefix(words)) for score, cell in cells.items() if cell.startswith(words)}


@cache
def by_the_page(recency: int, frequency: int, monetary: int) -> list[str]:
    """Return every segment that the page gives to a combination of scores."""
    scores = {"recency": recency, "frequency": frequency, "monetary": monetary}
    return [
        row["segment"]
        for row in tables("Segments")
        if all(span(row[name])[0] <= score <= span(row[name])[1] for name, score in scores.items())
    ]


def months_between(first: dt.date, last: dt.date) -> int:
    return (last.year - first.year) * 12 + last.month - first.month


def judged(rows: Sequence[Mapping[str, Any]], month: str) -> dict[str, Any] | None:
    """Return what the page makes of one customer's months as of a month; None if out of scope."""
    start = dt.date.fromisoformat(f"{month}-01")
    end = (start + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    scope = [row for row in rows if 0 <= months_between(row["month_start"], start) < 24]
    year = [row for row in scope if months_between(row["month_start"], start) < 12]
    if not scope:
        return None
    sold = [row["last_sold_on"] for row in scope if row["last_sold_on"]]
    days = (end - max(sold)).days if sold else None
    frequency, monetary = sum(row["sale_orders"] for row in year), sum((row["net_sales"] for row in year), Decimal(0))
    at_most, orders, pounds = (
        thresholds("recency", "at most "),
        thresholds("frequency", "at least "),
        thresholds("monetary", "at least "),
    )
    scores = (
        0 if days is None else max((score for score, limit in at_most.items() if days <= limit), default=1),
        max((score for score, limit in orders.items() if frequency >= limit), default=0),
        max((score for score, limit in pounds.items() if monetary >= limit), default=1),
    )
    (segment,) = by_the_page(*scores)
    return {"facts": (days, frequency, monetary), "scores": scores, "segment": segment}


def random_customers(seed: int, count: int) -> list[dict[str, Any]]:
    """Return months of customers: regular, rare, and who only bring back; money on and off the thresholds."""
    chance = random.Random(seed)  # noqa: S311 - a test's customers, not a secret
    rows = []
    for customer_id in range(1, count + 1):
        for month in chance.sample(YEARS, chance.choice((1, 1, 2, 3, 6, 12, 30))):
            start = dt.date.fromisoformat(f"{month}-01")
            last = start + dt.timedelta(days=chance.randrange(28))
            orders = chance.choice((0, 1, 1, 2, 5))
            net = Decimal(chance.choice(MONEY)) if orders else Decimal("-3.500")
            changed = {"last_sold_on": last} if orders else {}
            rows.append(customer_month(month, customer_id, sale_orders=orders, net_sales=net, **changed))
    return rows


def segments(engine, rows, *months):
    """Return the table's rows by month and customer."""
    frame = customer_segments(customer_months(engine, rows), monthly_sales(engine, *months))
    assert frame.schema.names == spark_schema(CustomerSegments).names
    found = engine.collect(frame).to_pylist()
    by_key = {(row["month_start"].isoformat()[:7], row["customer_id"]): row for row in found}
    assert len(by_key) == len(found)
    return by_key


def test_the_page_and_the_code_have_the_same_thresholds():
    assert thresholds("recency", "at most ") == rule.RECENCY_AT_MOST
    assert thresholds("frequency", "at least ") == rule.FREQUENCY_AT_LEAST
    assert thresholds("monetary", "at least ") == rule.MONETARY_AT_LEAST
    scores = tables("Scores")
    assert [int(row["score"]) for row in scores] == [3, 2, 1, 0]
    told = [sorted(int(row["score"]) for row in scores if row[name]) for name in list(scores[0])[1:]]
    assert told == [list(rule.RECENCY), list(rule.FREQUENCY), list(rule.MONETARY)]
    assert re.findall(r"lies in the (\d+) months", PAGE) == [str(rule.MONTHS)]
    assert {*re.findall(r" in (\d+) months", PAGE)} == {str(rule.MONTHS), str(rule.BUYING_MONTHS)}


def test_the_page_and_the_code_have_the_same_segments_in_the_same_order():
    told = [
        rule.Segment(row["segment"], span(row["recency"]), span(row["frequency"]), span(row["monetary"]))
        for row in tables("Segments")
    ]
    assert told == list(rule.SEGMENTS)


def test_a_combination_of_scores_is_in_exactly_one_segment_of_the_page():
    found = {scores: len(by_the_page(*scores)) for scores in COMBINATIONS}
    assert found == dict.fromkeys(COMBINATIONS, 1)
    assert len(found) == 48


def test_every_combination_of_scores_is_in_its_segment_of_the_page(engine):
    names = ["recency_score", "frequency_score", "monetary_score"]
    frame = engine.session().createDataFrame(COMBINATIONS, ", ".join(f"{name} int" for name in names))
    found = {tuple(scores): name for *scores, name in picked(frame.withColumn("it", segment_of()), *names, "it")}
    assert found == {scores: by_the_page(*scores)[0] for scores in COMBINATIONS}
    assert {*found.values()} == {segment.name for segment in rule.SEGMENTS}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_customers_are_where_the_page_puts_them(engine, seed):
    rows = random_customers(seed, count=80)
    months = YEARS[20:]
    by_customer = {number: [row for row in rows if row["customer_id"] == number] for number in range(1, 81)}
    expected = {
        (month, number): told
        for month in months
        for number, own in by_customer.items()
        if (told := judged(own, month)) is not None
    }

    found = segments(engine, rows, *months)

    assert {key: row["segment"] for key, row in found.items()} == {
        key: told["segment"] for key, told in expected.items()
    }
    for key, row in found.items():
        assert (row["recency_days"], row["frequency"], row["monetary"]) == expected[key]["facts"], key
        scores = (row["recency_score"], row["frequency_score"], row["monetary_score"])
        assert (scores, row["segment"]) == (expected[key]["scores"], expected[key]["segment"]), key
    assert {row["segment"] for row in found.values()} == {segment.name for segment in rule.SEGMENTS}


def test_the_previous_segment_is_the_one_of_the_month_before_and_the_movement_goes_between_them(engine):
    rows = random_customers(seed=4, count=60)
    found = segments(engine, rows, *YEARS[20:])
    order = [segment.name for segment in rule.SEGMENTS]
    moved = []
    for (month, customer_id), row in found.items():
        if month == YEARS[20]:
            continue
        before = found.get((YEARS[YEARS.index(month) - 1], customer_id))
        assert row["previous_segment"] == (before and before["segment"])
        if before is None:
            expected = "entered"
        else:
            steps = order.index(row["segment"]) - order.index(before["segment"])
            expected = "up" if steps < 0 else "down" if steps else "same"
        assert row["movement"] == expected
        moved.append(expected)
    assert {*moved} == {*rule.MOVEMENTS}


@pytest.mark.parametrize(
    ("changed", "segment"),
    [
        ({"last_sold_on": dt.date(2011, 1, 1), "sale_orders": 1}, "new"),  # 89 days before 31 March
        ({"last_sold_on": dt.date(2010, 12, 31), "sale_orders": 1}, "new"),  # 90
        ({"last_sold_on": dt.date(2010, 12, 30), "sale_orders": 1}, "at_risk"),
        ({"last_sold_on": dt.date(2010, 10, 2), "sale_orders": 1}, "at_risk"),  # 180
        ({"last_sold_on": dt.date(2010, 10, 1), "sale_orders": 1}, "hibernating"),
        ({"sale_orders": 2}, "promising"),
        ({"sale_orders": 3}, "promising"),
        ({"sale_orders": 4, "net_sales": Decimal("1999.999")}, "loyal"),
        ({"sale_orders": 4, "net_sales": Decimal("2000.000")}, "champions"),
        ({"sale_orders": 3, "net_sales": Decimal("9000.000")}, "promising"),
    ],
)
def test_a_threshold_holds_to_the_day_the_order_and_the_tenth_of_a_penny(engine, changed, segment):
    bought = str(changed.get("last_sold_on", "2011-03-01"))[:7]
    found = segments(engine, [customer_month(bought, **changed)], "2011-03")
    assert found[("2011-03", 1)]["segment"] == segment


def test_a_customer_is_lost_after_twelve_months_and_out_of_scope_after_twenty_four(engine):
    found = segments(engine, [customer_month("2010-02", last_sold_on=dt.date(2010, 2, 28))], *YEARS)
    course = [(month, found[(month, 1)]["segment"]) for month in YEARS if (month, 1) in found]
    assert course[0] == ("2010-02", "new")
    assert course[-1] == ("2012-01", "lost")
    assert [month for month, segment in course if segment == "lost"] == YEARS[YEARS.index("2011-02") : -11]
    assert found[("2011-01", 1)]["monetary"] == 100
    assert (found[("2011-02", 1)]["frequency"], found[("2011-02", 1)]["monetary"]) == (0, 0)


def test_the_last_day_of_a_leap_february_counts(engine):
    found = segments(engine, [customer_month("2012-02", last_sold_on=dt.date(2012, 2, 10))], "2012-02", "2012-03")
    assert [found[(month, 1)]["recency_days"] for month in ("2012-02", "2012-03")] == [19, 50]


def test_a_customer_who_only_brings_back_is_in_a_segment_of_their_own_until_they_buy(engine):
    rows = [
        customer_month("2011-01", sale_orders=0, returns=Decimal("-5.000")),
        customer_month("2011-03"),
    ]
    found = segments(engine, rows, "2011-01", "2011-02", "2011-03")
    course = [(row["segment"], row["previous_segment"], row["movement"], row["recency_days"]) for row in found.values()]
    assert sorted(course, key=str) == [
        ("new", "returns_only", "up", 30),
        ("returns_only", "returns_only", "same", None),
        ("returns_only", None, "entered", None),
    ]
    assert found[("2011-02", 1)]["monetary"] == Decimal("-5.000")


def test_a_month_without_sales_has_no_rows_and_its_neighbour_still_knows_what_it_would_have_been(engine):
    rows = [customer_month("2011-01"), customer_month("2011-03")]
    found = segments(engine, rows, "2011-01", "2011-03")
    assert sorted(found) == [("2011-01", 1), ("2011-03", 1)]
    assert found[("2011-03", 1)]["previous_segment"] == "new"
    assert segments(engine, [], "2011-01") == {}


def test_a_late_invoice_changes_no_other_customer(engine):
    rows = random_customers(seed=5, count=40)
    before = segments(engine, rows, *YEARS)
    late = customer_month("2010-06", 7, sale_orders=9, net_sales=Decimal(9000))
    rows = [row for row in rows if (row["customer_id"], row["month_start"]) != (7, late["month_start"])]
    after = segments(engine, [*rows, late], *YEARS)
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    assert {customer_id for _, customer_id in changed} == {7}
    assert min(changed)[0] == "2010-06"
    assert max(changed)[0] <= "2012-06"  # 24 months later it is the month before that is out of scope


def test_the_queries_of_the_page_answer(engine):
    frame = customer_segments(customer_months(engine, random_customers(6, 60)), monthly_sales(engine, *YEARS))
    table = engine.collect(frame.where(F.col("month_start") < "2012-01-01")).cast(arrow_schema(CustomerSegments))
    lake = duckdb.connect()
    lake.register("segments", table)
    lake.execute("CREATE SCHEMA gold; CREATE TABLE gold.customer_segments AS FROM segments")
    queries = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(queries) == 4
    for query in queries:
        assert lake.sql(query).fetchall(), query
