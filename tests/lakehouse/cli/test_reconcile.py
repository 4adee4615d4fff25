"""`lakehouse reconcile`: exit codes, JSON, and sentences for people."""

from __future__ import annotations

from deltalake import DeltaTable

from tests.lakehouse.cli.conftest import lakehouse, land, sales_of


def test_a_lake_with_a_held_day_adds_up_and_progress_is_shown_on_a_terminal_only(small_lake):
    answer = lakehouse(small_lake.root, "reconcile", "--strict")
    assert (answer.code, answer.err) == (0, "")
    assert "Everything adds up." in answer.out


def test_a_demo_with_superseded_copied_and_refused_files_adds_up(demo_lake):
    answer = lakehouse(demo_lake.root, "reconcile", "--strict", "--json")
    assert answer.data["imbalances"] == []
    assert answer.data["compared"]["days of silver.transactions"] == 7
    assert answer.code == 0


def test_what_differs_is_in_the_json_with_its_values_as_text_and_exits_2(own_lake):
    DeltaTable(own_lake / "gold" / "sales_by_region").update(
        updates={"net_sales": "net_sales + 1"}, predicate="business_date = '2024-01-01'"
    )
    answer = lakehouse(own_lake, "reconcile", "--strict", "--json")
    assert answer.code == 2
    assert answer.data.keys() == {"balanced", "compared", "imbalances", "notes", "damaged"}
    (found,) = answer.data["imbalances"]
    assert answer.data["balanced"] is False
    assert found.keys() == {"table", "partition", "file", "found", "difference"}
    assert (found["table"], found["partition"], found["file"]) == ("gold.sales_by_region", "2024-01-01", None)
    assert found["difference"] == {
        "missing": 0,
        "extra": 0,
        "changed": 1,
        "examples": [
            {
                "key": {"business_date": "2024-01-01", "country": "United Kingdom"},
                "kind": "changed",
                "columns": {"net_sales": ["8.500", "7.500"]},
                "record": None,
            }
        ],
    }


def test_without_strict_a_discrepancy_is_told_and_exits_0(own_lake):
    land(own_lake, "2024-01-04.csv", sales_of("2024-01-04", 1))
    told = lakehouse(own_lake, "reconcile")
    assert told.code == 0
    assert "1 discrepancy." in told.out
    assert "transactions/2024-01-04.csv" in told.out


def test_where_there_are_no_tables_it_says_so(lake_root):
    answer = lakehouse(lake_root, "reconcile", "--json")
    assert answer.code == 1
    assert answer.data["error"].endswith("yet; `lakehouse run` makes them")
