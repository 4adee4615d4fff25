"""The merchandise system's change feed: one row for each time a product record changed."""

from lakehouse.tables.declarations import ParquetFormat, bronze_table

products = bronze_table(
    landing_format=ParquetFormat(
        columns=(
            ("stock_code", "string"),
            ("description", "string"),
            ("category", "string"),
            ("cost", "decimal(18,3)"),
            ("list_price", "decimal(18,3)"),
            ("reorder_level", "int32"),
            ("updated_at", "timestamp"),
        )
    ),
    business_date="updated_at",
)
