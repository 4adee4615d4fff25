"""The customer system's change feed: one JSON line for each time a customer record changed."""

from lakehouse.tables.declarations import JsonLinesFormat, bronze_table

customers = bronze_table(
    landing_format=JsonLinesFormat(
        columns=(
            "customer_id",
            "name",
            "email",
            "phone",
            "city",
            "country",
            "segment",
            "updated_at",
            "is_deleted",
        )
    ),
    business_date="updated_at",
)
