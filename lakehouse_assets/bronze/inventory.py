"""Stock movements as the warehouse books them: one CSV a day, a line for each movement."""

from lakehouse.tables.declarations import CsvFormat, bronze_table

inventory = bronze_table(
    landing_format=CsvFormat(columns=("movement_id", "stock_code", "movement_type", "quantity", "moved_at")),
    business_date="moved_at",
)
