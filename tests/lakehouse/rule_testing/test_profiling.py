"""A profile tells what rows are like, and proposes rules that hold for them with a margin."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyspark.sql.types as T  # noqa: N812 - the field's name for it
import pytest

from lakehouse.contracts.contract import Contract, column
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.row_outcome import OUTCOME, PUBLISHED, RULES
from lakehouse.contracts.table_spec import TableSpec
from lakehouse.delta.model import TableError
from lakehouse.delta.predicates import Predicate
from lakehouse.engines.sail import SailEngine
from lakehouse.publication.validation import judge_derived
from lakehouse.rule_testing.profiling import profile

FIRST = dt.date(2011, 3, 1)
DAYS = [FIRST + dt.timedelta(days=number) for number in range(35)]
ROWS = 40


class Orders(Contract):
    """Orders of a small shop."""

    order_no: T.StringType = column("number of the order", source="OrderNo")
    country: T.StringType = column(
        "where to", source="Country", nullable=True, isin=["UK", "France"], when_broken="warn"
    )
    code: T.StringType = column("product", references="silver.products.stock_code")
    units: T.IntegerType = column("how many", in_range={"min_value": 0, "max_value": 10_000})
    price: T.DecimalType(18, 3) = column("price", unit="GBP")  # type: ignore[valid-type]
    email: T.StringType = column("e-mail", nullable=True)
    note: T.StringType = column("free text", nullable=True)
    sold_at: T.TimestampType = column("when, UTC")
    business_date: T.DateType = column("day; the partition")


TERMS = TableSpec("silver.orders", Orders, Policy(("order_no",), event_time="sold_at"), "business_date")


def rows_of(day: dt.date) -> list[dict[str, object]]:
    place = DAYS.index(day)
    return [
        {
            "order_no": f"C{place:03}{number:03}" if number == 0 else f"{place:03}{number:03}",
            "country": ("UK", "France")[number % 2] if number else None,
            "code": "85123A",
            "units": number - 1,
            "price": Decimal("-2.500") if number == 0 else Decimal("17.250"),
            "email": f"a{number}@example.com" if number > 1 else None,
            "note": f"Note, of {number}!",
            "sold_at": dt.datetime(day.year, day.month, day.day, 9 + number % 8, tzinfo=dt.UTC),
            "business_date": day,
        }
        for number in range(ROWS)
    ]


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Five weeks of forty orders a day, from 9 to 16 o'clock."""
    engine = SailEngine(str(tmp_path_factory.mktemp("orders")))
    rows = pa.Table.from_pylist([row for day in DAYS for row in rows_of(day)], schema=TERMS.layout.schema)
    engine.publish(TERMS.layout, rows, Predicate("business_date", tuple(DAYS)))
    return engine


@pytest.fixture(scope="module")
def found(lake):
    """What all days are like."""
    return profile(lake, TERMS, last=99)


def of(found, name):
    return next(each for each in found.columns if each.name == name)


def test_rows_days_and_the_key_are_counted(found):
    assert (found.days, found.rows, found.key_is_unique) == (DAYS, 1400, True)
    assert (found.by_day.fewest, found.by_day.usual, found.by_day.most) == (40, 40, 40)
    assert found.by_day.hours == dict.fromkeys(range(9, 17), 175)


@pytest.mark.parametrize(("countries", "is_unique"), [(["UK", None], True), ([None, None], False)])
def test_a_key_with_a_null_in_it_is_a_key_of_its_own(tmp_path, countries, is_unique):
    engine = SailEngine(str(tmp_path))
    rows = [
        {**row, "order_no": "1", "country": country} for row, country in zip(rows_of(FIRST), countries, strict=False)
    ]
    terms = dataclasses.replace(TERMS, policy=Policy(("order_no", "country"), event_time="sold_at"))
    table = pa.Table.from_pylist(rows, schema=terms.layout.schema)
    engine.publish(terms.layout, table, Predicate("business_date", (FIRST,)))
    assert profile(engine, terms).key_is_unique == is_unique


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("order_no", (0, 1400, 6, 7, True)),
        ("country", (35, 2, 2, 6, False)),
        ("units", (0, 40, -1, 38, False)),
        ("price", (0, 2, Decimal("-2.500"), Decimal("17.250"), False)),
        ("email", (70, 38, 14, 15, False)),
    ],
)
def test_a_column_is_measured(found, name, figures):
    column = of(found, name)
    assert (column.nulls, column.distinct, column.smallest, column.largest, column.unique) == figures


@pytest.mark.parametrize(
    ("name", "proposed"),
    [
        ("order_no", {"str_matches": r"[A-Z]?\d+$"}),
        ("country", {"nullable": True, "isin": ["France", "UK"]}),
        ("code", {"isin": ["85123A"]}),
        ("units", {"in_range": {"min_value": -2, "max_value": 100}}),
        ("price", {"in_range": {"min_value": -5, "max_value": 50}}),
        ("sold_at", {}),
        ("business_date", {}),
    ],
)
def test_a_column_gets_the_rules_it_would_bear(found, name, proposed):
    assert of(found, name).proposed == proposed


@pytest.mark.parametrize(
    ("name", "proposed"),
    [
        ("note", {"str_length": {"min_value": 11, "max_value": 20}}),
        ("email", {"nullable": True, "str_matches": r"[^@\s]+@[^@\s]+$"}),
    ],
)
def test_values_that_seldom_repeat_are_no_list(lake, name, proposed):
    assert of(profile(lake, TERMS, last=2), name).proposed == proposed


def test_proposals_are_lines_of_a_contract_beside_what_it_asks_today(found):
    assert of(found, "country").today == "may be missing; one of UK, France (warn)"
    assert of(found, "country").code == (
        'country: T.StringType = column("where to", source="Country", nullable=True, isin=["France", "UK"])'
    )
    assert of(found, "order_no").code == (
        r'order_no: T.StringType = column("number of the order", source="OrderNo", str_matches=r"[A-Z]?\d+$")'
    )
    assert of(found, "price").code == (
        'price: T.DecimalType(18, 3) = column("price", unit="GBP", in_range={"min_value": -5, "max_value": 50})'
    )
    assert of(found, "code").code.endswith('references="silver.products.stock_code")')


@pytest.mark.parametrize("last", [2, 99])
def test_the_proposed_lines_are_a_contract_that_every_row_keeps(lake, last):
    lines = "\n    ".join(each.code for each in profile(lake, TERMS, last=last).columns)
    code = compile(f"class Proposed(Contract):\n    {lines}\n", "proposed", "exec", dont_inherit=True)
    names = {"Contract": Contract, "column": column, "T": T}
    exec(code, names)  # noqa: S102 - the lines under test
    judged = judge_derived(lake.read("silver.orders"), names["Proposed"])
    verdicts = lake.collect(judged.select(OUTCOME, RULES).distinct()).to_pylist()
    assert verdicts == [{OUTCOME: PUBLISHED, RULES: []}]


def test_days_get_the_rules_they_would_bear(found):
    assert found.by_day.code == ["volume(at_least=0.65, at_most=1.5)"]
    assert found.by_day.notes == [
        "no hours are proposed: no hour has rows on each of 3 days of 500 rows or more",
    ]


def test_the_hours_of_large_days_are_proposed(lake, monkeypatch):
    monkeypatch.setattr("lakehouse.rule_testing.profiling._FROM_ROWS", 30)
    assert profile(lake, TERMS).by_day.code[-1] == 'hours("sold_at", opens=9, closes=17)'


def test_of_few_weeks_no_volume_is_proposed(lake):
    few = profile(lake, TERMS, last=20)
    assert few.days == DAYS[-20:]
    assert few.by_day.notes[0] == "no volume is proposed: no weekday was seen more than 3 times"


def test_one_day_can_be_asked_for(lake):
    one = profile(lake, TERMS, day=DAYS[3])
    assert (one.days, one.rows) == ([DAYS[3]], 40)
    with pytest.raises(TableError, match="no published rows of 2012-01-01"):
        profile(lake, TERMS, day=dt.date(2012, 1, 1))
