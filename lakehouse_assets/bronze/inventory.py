"""Stock movements as the warehouse books them: one CSV a day, a line for each movement."""

from lakehouse.landing.reader import CsvFormat
from lakehouse.tables.declarations import bronze_table

inventory = bronze_table(
    landing_format=CsvFormat(columns=("movement_id", "stock_code", "movement_type", "quantity", "moved_at")),
    business_date="moved_at",
)
