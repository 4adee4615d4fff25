"""What only the embedded engine has to watch: features it cannot read, its stream, its session, a lake on S3."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

from lakehouse.delta.model import TableError, TableLayout, Token
from lakehouse.delta.predicates import Predicate
from lakehouse.engines import sail
from lakehouse.engines.sail import SailEngine
from lakehouse.storage.files import delete, read_text, write_text
from tests.scenario import day, rows

SCHEMA = pa.schema([("business_date", pa.date32()), ("number", pa.int64())])
LAYOUT = TableLayout("silver.numbers", SCHEMA, ("business_date",))


def numbers(*values: int) -> pa.Table:
    return pa.table({"business_date": [day(1)] * len(values), "number": values}, schema=SCHEMA)


def test_a_table_with_a_feature_that_reads_as_null_is_refused(lake_root):
    uri = str(lake_root / "silver" / "numbers")
    write_deltalake(uri, numbers(1))
    log = lake_root / "silver" / "numbers" / "_delta_log" / f"{0:020}.json"
    mapped = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["columnMapping"]}
    protocol = json.dumps({"protocol": {**mapped, "writerFeatures": ["columnMapping"]}})
    lines = [protocol, *[line for line in log.read_text().splitlines() if not line.startswith('{"protocol"')]]
    log.write_text("\n".join(lines))
    for use in (
        lambda engine: engine.read("silver.numbers"),
        lambda engine: engine.publish(LAYOUT, numbers(1), Predicate("business_date", (day(1),))),
    ):
        with pytest.raises(TableError, match=r"silver\.numbers uses .*columnMapping"):
            use(SailEngine(str(lake_root)))


def test_a_result_streams_in_batches_without_being_collected(lake_root):
    engine = SailEngine(str(lake_root))
    stream = sail._stream(engine.session().range(0, 200_000))  # noqa: SLF001 - an internal of pyspark stands behind it
    first = next(stream)
    rest = list(stream)
    assert first.num_rows < 200_000
    assert first.num_rows + sum(batch.num_rows for batch in rest) == 200_000


def test_a_query_that_panics_is_an_error_and_not_a_result_with_fewer_rows(lake_root):
    engine = SailEngine(str(lake_root))
    two = engine.session().createDataFrame([(day(1), "a"), (day(1), "b")], "business_date date, text string")
    text = F.col("text")
    hashed = F.xxhash64(F.coalesce(F.concat(F.length(text).cast("string"), F.lit(":"), text), F.lit("-")))
    good = two.select("business_date", hashed.alias("number"))
    panics = two.withColumn("text", F.lit(None).cast("string")).select("business_date", hashed.alias("number"))
    frame = good.union(panics).union(good)
    with pytest.raises(PySparkException):
        engine.collect(frame)
    with pytest.raises(PySparkException):
        engine.publish(LAYOUT, frame, Predicate("business_date", (day(1),)))
    assert engine.version(LAYOUT.name) is None


def test_the_session_counts_in_utc_and_is_one_per_process(lake_root):
    one, other = SailEngine(str(lake_root / "one")), SailEngine(str(lake_root / "other"))
    assert one.session() is other.session()
    assert one.session().conf.get("spark.sql.session.timeZone") == "UTC"
    assert time.tzname[0] == "UTC"


def test_a_lake_may_lie_on_s3(s3):
    root = f"{s3.uri}/some/lake"
    engine = SailEngine(root)
    where = Predicate("business_date", (day(1),))
    assert engine.version("silver.numbers") is None
    assert [engine.publish(LAYOUT, numbers(1), where), engine.publish(LAYOUT, numbers(2), where)] == [1, 2]
    token = Token("some", 1)
    assert engine.append(LAYOUT, numbers(3), token=token) == 3
    assert engine.append(LAYOUT, numbers(3), token=token) is None
    assert rows(engine, "silver.numbers", "number") == [(2,), (3,)]
    assert engine.collect(engine.read("silver.numbers", version=1)).column("number").to_pylist() == [1]

    manifest = f"{root}/system/manifests/some.json"
    assert read_text(manifest) is None
    write_text(manifest, "ünï")
    assert read_text(manifest) == "ünï"
    delete(manifest)
    delete(manifest)
    assert read_text(manifest) is None


def test_eight_threads_on_a_cold_engine_start_one_server(lake_root):
    SailEngine(str(lake_root)).publish(LAYOUT, numbers(1, 2), Predicate("business_date", (day(1),)))
    code = (
        "import sys, threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "import pysail.spark\n"
        "from lakehouse.engines.factory import open_engine\n"
        "servers, server = [], pysail.spark.SparkConnectServer\n"
        "def counted(*arguments):\n"
        "    servers.append(arguments)\n"
        "    return server(*arguments)\n"
        "pysail.spark.SparkConnectServer = counted\n"
        "together = threading.Barrier(8)\n"
        "def read(_):\n"
        "    together.wait()\n"
        "    engine = open_engine(sys.argv[1], 'sail', '')\n"
        "    return engine.collect(engine.read('silver.numbers')).num_rows\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    print(len(servers) or list(pool.map(read, range(8))), len(servers))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(lake_root)], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == f"{[2] * 8} 1"
