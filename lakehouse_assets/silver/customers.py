"""One row per change of a customer record, typed. The newest `updated_at` of a customer is the record as known.

Of changes at one time a deletion counts, or else the one from the first file by name.
"""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame

from lakehouse.contracts.casting import typed
from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.declarations import silver_table

SEGMENTS = ("consumer", "corporate", "home_office")


class Customers(Contract):
    """Changes of customer records."""

    customer_id: T.LongType = column("customer number", source="customer_id")
    name: T.StringType = column("full name", source="name", nullable=True)
    email: T.StringType = column("e-mail address", source="email", nullable=True, str_matches=r"[^@\s]+@[^@\s]+$")
    phone: T.StringType = column("phone number as entered", source="phone", nullable=True)
    city: T.StringType = column("city", source="city", nullable=True)
    country: T.StringType = column("country", source="country", nullable=True)
    segment: T.StringType = column("kind of customer", source="segment", nullable=True, isin=SEGMENTS)
    updated_at: T.TimestampType = column("time of the change, UTC", source="updated_at")
    is_deleted: T.BooleanType = column("whether the change deleted the customer", source="is_deleted", nullable=True)
    business_date: T.DateType = column("day of the change; the partition")


@silver_table(contract=Customers, key=["customer_id", "updated_at"], latest_by=["is_deleted"], event_time="updated_at")
def customers(bronze_customers: DataFrame) -> DataFrame:
    """Type customer changes."""
    return bronze_customers.transform(typed(Customers))
