"""`lakehouse query`: the right rows, exact amounts, the past, and nothing but reading."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest
from deltalake import DeltaTable

from tests.lakehouse.cli.conftest import lakehouse, land, sales_of

REPOSITORY = Path(__file__).parents[3]


def test_amounts_are_exact_text_in_json_and_plain_digits_in_csv(ask):
    sql = "SELECT business_date, net_sales, lines FROM gold.daily_sales_summary ORDER BY business_date"
    assert ask("query", "--json", sql).data == [
        {"business_date": "2024-01-01", "net_sales": "7.500", "lines": 3},
        {"business_date": "2024-01-02", "net_sales": "5.000", "lines": 2},
    ]
    assert list(csv.reader(io.StringIO(ask("query", "--csv", sql).out))) == [
        ["business_date", "net_sales", "lines"],
        ["2024-01-01", "7.500", "3"],
        ["2024-01-02", "5.000", "2"],
    ]


def test_every_layer_is_there_and_system_too_whatever_stands_in_texts_and_comments(ask):
    sql = """
        SELECT f.outcome, count(*) AS files, 'system.landing_files' AS said -- system.landing_files
        FROM "system".landing_files AS f JOIN bronze.transactions USING (source_file) GROUP BY ALL
    """
    assert ask("query", "--json", sql).data == [{"outcome": "ingested", "files": 37, "said": "system.landing_files"}]


def test_a_table_for_people_shows_as_many_rows_as_asked_and_says_that_there_are_more(ask):
    shown = ask("query", "--limit", "2", "SELECT invoice_no FROM silver.transactions ORDER BY ALL")
    assert [line.strip() for line in shown.out.splitlines() if line.strip().isdigit()] == ["010000", "010001"]
    assert "The first 2 rows" in shown.err


def test_limit_cuts_json_and_csv_too(ask):
    sql = "SELECT invoice_no FROM silver.transactions ORDER BY ALL"
    assert ask("query", "--json", "--limit", "1", sql).data == [{"invoice_no": "010000"}]
    assert ask("query", "--csv", "--limit", "1", sql).out == "invoice_no\n010000\n"


def test_an_older_version_and_an_older_time_show_the_rows_of_then(own_lake):
    before = DeltaTable(own_lake / "silver" / "transactions")
    committed = before.history(1)[0]["timestamp"]
    land(own_lake, "2024-01-01.csv", sales_of("2024-01-01", 9))
    assert lakehouse(own_lake, "run").code == 3
    moment = f"to_timestamp({committed + 1} / 1000)"
    then = lakehouse(own_lake, "query", "--json", f"SELECT strftime({moment}, '%Y-%m-%dT%H:%M:%S.%g+00:00') AS at")

    sql = "SELECT count(*) AS rows FROM silver.transactions"

    assert lakehouse(own_lake, "query", "--json", sql).data == [{"rows": 11}]
    assert lakehouse(own_lake, "query", "--json", "--version", str(before.version()), sql).data == [{"rows": 5}]
    assert lakehouse(own_lake, "query", "--json", "--as-of", then.data[0]["at"], sql).data == [{"rows": 5}]


def test_a_table_that_is_not_there_is_an_error_that_lists_those_that_are(ask):
    refused = ask("query", "SELECT * FROM silver.orders")
    assert refused.code == 1
    assert "orders does not exist" in refused.err
    assert "gold.daily_sales_summary" in refused.err
    assert "Traceback" not in refused.err


def test_a_question_starts_without_dagster_spark_or_pandera(small_lake):
    script = (
        "import sys\nfrom lakehouse.cli.main import main\ntry:\n    main()\nexcept SystemExit as ended:\n"
        "    assert not ended.code, ended.code\n"
        "print([name for name in ('dagster', 'pyspark', 'pandera', 'pandas') if sys.modules.get(name)])"
    )
    for arguments in (["query", "--csv", "SELECT count(*) AS rows FROM silver.transactions"], ["quarantine", "list"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=REPOSITORY,
            env={"LAKEHOUSE_ROOT": str(small_lake.root), "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "[]", done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--version", "99", "FROM silver.transactions"], "silver.transactions has versions 0 to "),
        (["--as-of", "yesterday", "FROM silver.transactions"], "give a time like 2024-01-31T18:00"),
        (["--as-of", "2024-01-01", "--version", "0", "FROM silver.transactions"], "exclude each other"),
        (["--json", "DROP VIEW silver.transactions"], "give one statement that reads"),
        (["--json", "SELECT * FROM read_text('/etc/hostname')"], "disabled by configuration"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_a_sentence(ask, arguments, said):
    refused = ask("query", *arguments)
    assert refused.code == 1
    assert said in refused.err
    assert "--json" not in arguments or refused.data.keys() == {"error"}
