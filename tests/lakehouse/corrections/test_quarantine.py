"""The quarantine of a lakehouse: rows are explained, fixed, replayed and discarded; held days are released."""

from __future__ import annotations

import shutil

import pytest
from deltalake import DeltaTable, write_deltalake
from filelock import FileLock

from lakehouse.catalog.landing_state import landing_state
from lakehouse.catalog.ledger_views import held_days
from lakehouse.corrections.fixes import Fix
from lakehouse.corrections.rows import Selection
from lakehouse.errors import BusyError, LakehouseError, RequestError
from lakehouse.reconciliation.compare import Reconciliation, compare_tables
from tests.thin_project import land, lines_of

SECOND = Selection("silver.transactions", "2024-01-02")
HELD = Selection("silver.transactions", "2024-01-03")
WHY = {"reason": "asked the shop", "by": "ada"}
WHOLE = {"Quantity": "3", "StockCode": "85123A"}


def rows(lake, selection=SECOND, status="all"):
    return lake.quarantine.rows(Selection(selection.table, selection.day, status=status))


def lines(lake, day) -> tuple[int, int | None]:
    """How many lines silver and gold have of a day."""
    silver = lake.query(f"SELECT count(*) AS n FROM silver.transactions WHERE business_date = '{day}'")  # noqa: S608
    gold = lake.query(f"SELECT sum(lines) AS n FROM gold.sales_by_region WHERE business_date = '{day}'")  # noqa: S608
    return silver["n"][0].as_py(), gold["n"][0].as_py()


def held(lake) -> list[str]:
    return [str(each.business_date) for each in held_days(lake.catalog)]


def adds_up(lake) -> bool:
    found = Reconciliation()
    landing = landing_state(lake.settings, lake.catalog, lake.source_names)
    compare_tables(found, lake.catalog, lake.source_names, landing)
    return found.discrepancies == []


def versions(lake) -> dict[str, int]:
    return {name: lake.catalog.open(name).version() for name in lake.catalog.names()}


def message(refused) -> str:
    """The sentence of an error, with its hint."""
    return f"{refused.value}; {refused.value.hint}"


# Explain


def test_a_row_is_explained_with_what_each_rule_demands(made):
    (row,) = rows(made)
    found = made.quarantine.explain(row.id)
    assert {rule.rule: (rule.reason, rule.value) for rule in found.rules} == {
        "quantity:readable": ("quantity can be read as int", "many"),
        "stock_code:not_null": ("stock_code is given", None),
    }
    assert (found.received["InvoiceNo"], found.received["Quantity"]) == ("999999", "many")
    assert (found.row.status, found.decisions) == ("open", ())
    assert found.rules_version_now == row.rules_version


def test_there_is_nothing_to_explain_without_a_row(made):
    with pytest.raises(RequestError, match="no row has the id nobody"):
        made.quarantine.explain("nobody")


# Fix


def test_a_fix_names_columns_as_received_or_as_in_the_contract(made):
    found = made.quarantine.fix(SECOND, {"quantity": "3", "stock_code": "85123A"}, **WHY, dry_run=True)
    (each,) = found.corrections
    assert (each.passes, each.decision.corrected, found.kept) == (True, WHOLE, 0)
    assert made.engine.version("system.decisions") is None


def test_a_fix_after_which_its_row_would_not_pass_is_not_kept(lake):
    found = lake.quarantine.fix(SECOND, {"Quantity": "3"}, **WHY)
    assert [(each.passes, each.rules) for each in found.corrections] == [(False, ("stock_code:not_null",))]
    assert (found.kept, lake.engine.version("system.decisions")) == (0, None)


def test_rows_are_fixed_by_a_condition_over_what_was_received(made):
    where = "Quantity = 'x' AND InvoiceNo >= 'B030020' AND list_contains(rules, 'quantity:readable')"
    found = made.quarantine.fix(Selection(where=where), {"Quantity": "1"}, **WHY, dry_run=True)
    assert [each.passes for each in found.corrections] == [True] * 5


def test_rows_are_fixed_each_with_values_of_its_own(lake):
    first, second, *_ = rows(lake, HELD)
    found = lake.quarantine.fix_each(
        [
            Fix({"Quantity": "2", "Country": ""}, id=first.id, keeps_empty=True),
            Fix(
                {"Quantity": "3", "Country": "France"},
                source_file=second.source_file,
                source_record=second.source_record,
            ),
        ],
        **WHY,
    )
    assert [each.decision.corrected for each in found.corrections] == [
        {"Quantity": "2"},
        {"Quantity": "3", "Country": "France"},
    ]
    assert found.kept == 2
    again = lake.quarantine.fix_each([Fix({"Country": "Spain"}, id=first.id)], **WHY)
    assert again.corrections[0].decision.corrected == {"Quantity": "2", "Country": "Spain"}


@pytest.mark.parametrize(
    ("selection", "values", "sentence"),
    [
        (Selection(), WHOLE, "nothing says which rows are meant; name an id"),
        (Selection(ids=["nobody"]), WHOLE, "no open row has the id nobody; `lakehouse quarantine show`"),
        (Selection("silver.products"), WHOLE, "no open row is meant by that"),
        (SECOND, {"Weight": "1"}, "silver.transactions receives no column Weight; there are InvoiceNo"),
        (SECOND, {"quantity": "7", "Quantity": "8"}, "Quantity is given twice; give one value for each column"),
    ],
)
def test_what_cannot_be_fixed_is_refused(made, selection, values, sentence):
    with pytest.raises(RequestError) as refused:
        made.quarantine.fix(selection, values, **WHY)
    assert sentence in message(refused)


@pytest.mark.parametrize(
    ("fixes", "sentence"),
    [
        ([], "no open row is meant by that"),
        ([Fix(WHOLE, id="nobody", origin="fixes.csv line 2")], "fixes.csv line 2: no open row is nobody"),
        ([Fix(WHOLE, source_file="a.csv", source_record=7)], "a fix: no open row is record 7 of a.csv"),
    ],
)
def test_a_fix_of_no_row_is_refused(made, fixes, sentence):
    with pytest.raises(RequestError) as refused:
        made.quarantine.fix_each(fixes, **WHY)
    assert sentence in message(refused)


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({"reason": " ", "by": "ada"}, "a decision needs a reason"),
        ({"reason": "because", "by": ""}, "a decision needs somebody who takes it"),
    ],
)
def test_every_decision_needs_a_reason_and_somebody_who_takes_it(made, about, sentence):
    quarantine = made.quarantine
    for decide in (
        lambda: quarantine.fix(SECOND, WHOLE, **about),
        lambda: quarantine.fix_each([Fix(WHOLE, id="any")], **about),
        lambda: quarantine.discard(SECOND, **about),
        lambda: quarantine.release("silver.transactions", "2024-01-03", **about),
    ):
        with pytest.raises(RequestError, match=sentence):
            decide()
    assert made.engine.version("system.decisions") is None


def test_a_record_that_could_not_be_read_needs_every_column(lake, lake_root):
    path = lake_root / "landing" / "transactions" / "2024-01-01.csv"
    path.write_bytes(path.read_bytes() + b"1,2,3\n")
    lake.run()
    unread = Selection(rule="record:fields")
    (row,) = lake.quarantine.rows(unread)
    with pytest.raises(RequestError, match="could not be read, so that a fix must give every column; missing: Invoice"):
        lake.quarantine.fix(unread, {"Quantity": "1"}, **WHY)
    found = lake.quarantine.explain(row.id)
    assert found.received == "1,2,3"
    assert found.rules[0].reason.startswith("the landing reader could not read the record: fields: 3")
    assert found.columns_to_fix[0] == "InvoiceNo"
    line = {**lines_of("2024-01-01", 9)[-1], "Description": ""}
    assert lake.quarantine.fix_each([Fix(line, id=row.id, keeps_empty=True)], **WHY).kept == 1
    assert lake.quarantine.replay(Selection(day="2024-01-01")).closed == {"replayed": 1}
    assert lines(lake, "2024-01-01") == (4, 4)


def test_a_refused_file_is_discarded_or_sent_again(lake, lake_root):
    (lake_root / "landing" / "transactions" / "2024-01-05.csv").write_bytes(b"no,such,header\n1,2,3\n")
    lake.run()
    refused_file = Selection(rule="file:header")
    (row,) = lake.quarantine.rows(refused_file)
    assert lake.quarantine.explain(row.id).rules[0].reason.startswith("the landing reader refused the whole file: file")
    with pytest.raises(RequestError, match="was refused as a whole"):
        lake.quarantine.fix(refused_file, {"Quantity": "1"}, **WHY)
    assert lake.quarantine.discard(refused_file, **WHY).closed == {"discarded": 1}
    assert (held(lake), adds_up(lake)) == (["2024-01-03"], True)


# Replay


def test_a_fixed_row_is_replayed_once_and_gold_follows(lake):
    lake.quarantine.fix(SECOND, WHOLE, **WHY)
    assert lines(lake, "2024-01-02") == (2, 2)
    done = lake.quarantine.replay()
    assert (done.closed, done.partitions) == ({"replayed": 1}, {"silver.transactions": ["2024-01-02"]})
    assert (done.considered, done.held, done.report.errors) == (26, (), [])
    assert (lines(lake, "2024-01-02"), adds_up(lake)) == ((3, 3), True)
    (row,) = rows(lake)
    assert (row.status, row.closed_by, row.closed_why) == ("replayed", "ada", "asked the shop")
    (decision,) = lake.quarantine.explain(row.id).decisions
    assert (decision.action, decision.corrected, decision.decided_by) == ("fix", WHOLE, "ada")
    before = versions(lake)
    again = lake.quarantine.replay()
    assert (again.report, again.considered, versions(lake)) == (None, 25, before)


def test_a_day_corrected_row_by_row_is_published_by_its_replay(lake):
    lake.quarantine.fix(HELD, {"Quantity": "1"}, **WHY)
    done = lake.quarantine.replay(HELD)
    assert (done.closed, done.held, held(lake)) == ({"replayed": 25}, (), [])
    assert adds_up(lake)


def test_a_corrected_file_supersedes_rows_and_their_fixes(lake, lake_root):
    lake.quarantine.fix(SECOND, WHOLE, **WHY)
    land(lake_root, "2024-01-02.csv", lines_of("2024-01-02", 4))
    lake.run()
    assert [(row.status, row.closed_by) for row in rows(lake)] == [("superseded", "source")]
    assert lake.quarantine.replay(SECOND).considered == 0


# Discard


def test_a_discarded_row_is_counted_and_no_longer_open(lake):
    done = lake.quarantine.discard(SECOND, **WHY)
    assert (done.closed, done.partitions) == ({"discarded": 1}, {"silver.transactions": ["2024-01-02"]})
    assert (rows(lake, status="open"), adds_up(lake)) == ([], True)
    ledger = lake.read("system.row_ledger", where="business_date = '2024-01-02'").to_arrow().to_pylist()
    newest = max((line for line in ledger if line["rows_in"]), key=lambda line: line["recorded_at"])
    assert (newest["rows_in"], newest["published"], newest["discarded"]) == (4, 2, 1)


def test_tables_from_before_rows_had_a_history_are_widened(lake, lake_root):
    for name, lost in (
        ("silver/quarantine", ["status", "first_seen", "rules_version", "closed_by", "closed_why", "closed_at"]),
        ("system/row_ledger", ["discarded", "late", "replayed", "warned", "rules_version"]),
    ):
        location = lake_root / name
        opened = DeltaTable(location)
        by = opened.metadata().partition_columns
        old = opened.to_pyarrow_table().drop_columns(lost)
        shutil.rmtree(location)
        write_deltalake(location, old, partition_by=by)
    assert (len(lake.quarantine.rows()), held(lake), adds_up(lake)) == (26, ["2024-01-03"], True)
    lake.quarantine.discard(SECOND, **WHY)
    assert (len(lake.quarantine.rows()), adds_up(lake)) == (25, True)


# Release


def test_a_released_day_is_published_and_lapses_with_new_data(lake, lake_root):
    done = lake.quarantine.release("silver.transactions", "2024-01-03", **WHY)
    assert (done.held, held(lake), lines(lake, "2024-01-03")) == (None, [], (5, 5))
    assert (len(rows(lake, HELD, status="open")), adds_up(lake)) == (25, True)
    with pytest.raises(RequestError, match=r"silver\.transactions 2024-01-03 is not held"):
        lake.quarantine.release("silver.transactions", "2024-01-03", **WHY)
    land(lake_root, "2024-01-03-more.csv", lines_of("2024-01-03", 1, InvoiceNo="77"))
    lake.run()
    assert held(lake) == ["2024-01-03"]


@pytest.mark.parametrize(
    ("table", "day", "sentence"),
    [
        ("gold.sales_by_region", "2024-01-03", "there is no table gold.sales_by_region that rejects rows; there are"),
        ("silver.transactions", "yesterday", "yesterday is no date like 2024-01-31"),
        ("silver.transactions", "2024-01-02", "silver.transactions 2024-01-02 is not held"),
    ],
)
def test_what_cannot_be_released_is_refused(made, table, day, sentence):
    with pytest.raises(LakehouseError) as refused:
        made.quarantine.release(table, day, **WHY)
    assert sentence in message(refused)


# Beside others


def test_beside_another_run_nothing_is_decided_that_needs_a_run(lake, lake_root):
    lake.quarantine.fix(SECOND, WHOLE, **WHY)
    with FileLock(lake_root / "dagster" / ".drain.lock"):
        for decide in (
            lake.quarantine.replay,
            lambda: lake.quarantine.discard(SECOND, **WHY),
            lambda: lake.quarantine.release("silver.transactions", "2024-01-03", **WHY),
        ):
            with pytest.raises(BusyError):
                decide()
    assert lake.query("SELECT count(*) AS n FROM system.decisions")["n"].to_pylist() == [1]
