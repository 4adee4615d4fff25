"""Every version of every customer's record, and a member for those of whom nothing is known.

A customer who buys before the first record of theirs arrives is an inferred member until that record is valid. Lines
without a customer number belong to the unknown member, `UNKNOWN`. Late, corrected and repeated records end in the same
rows in whatever order they arrive; what stood here on an earlier day is told by an older version of the table.
"""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.declarations import History, scd2_table
from lakehouse.tables.scd2_transforms import history_column, versions

CUSTOMERS = History(
    natural_key="customer_id",
    surrogate_key="customer_key",
    attributes=("name", "email", "phone", "city", "country", "segment"),
    changes="silver.customers",
    time="updated_at",
    sightings={"silver.transactions": "invoiced_at"},
)


class DimCustomers(Contract):
    """Versions of customers."""

    customer_key: T.StringType = column(
        "names the version: sha256 of customer_id and valid_from, of an inferred member of customer_id alone; UNKNOWN"
    )
    customer_id: T.LongType = column("customer number; null for the unknown member", nullable=True)
    name: T.StringType = column("full name", nullable=True)
    email: T.StringType = column("e-mail address", nullable=True)
    phone: T.StringType = column("phone number as entered", nullable=True)
    city: T.StringType = column("city", nullable=True)
    country: T.StringType = column("country", nullable=True)
    segment: T.StringType = column("kind of customer", nullable=True)
    valid_from: T.TimestampType = history_column("valid_from")
    valid_to: T.TimestampType = history_column("valid_to")
    is_current: T.BooleanType = history_column("is_current")
    is_deleted: T.BooleanType = history_column("is_deleted")
    is_inferred: T.BooleanType = history_column("is_inferred")
    version_hash: T.StringType = history_column("version_hash")
    first_seen_at: T.TimestampType = history_column("first_seen_at")
    business_date: T.DateType = history_column("business_date")


@scd2_table(contract=DimCustomers, history=CUSTOMERS)
def dim_customers(silver_customers: DataFrame, silver_transactions: DataFrame) -> DataFrame:
    """Order the records of each customer; the first invoice line is the first that is seen of one."""
    return versions(CUSTOMERS, silver_customers, silver_transactions)
