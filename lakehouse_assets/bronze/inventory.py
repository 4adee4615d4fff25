"""Stock movements as the warehouse books them: one CSV a day, a line for each movement."""

from lakehouse_assets.layers import bronze_table
from resources.landing_reader import CsvFormat

inventory = bronze_table(
    landing_format=CsvFormat(columns=("movement_id", "stock_code", "movement_type", "quantity", "moved_at")),
    business_date="moved_at",
)
