"""What visitors do in the web shop: one JSON line for each event, its nested context as received."""

from lakehouse.tables.declarations import JsonLinesFormat, bronze_table

clicks = bronze_table(
    landing_format=JsonLinesFormat(
        columns=(
            "event_id",
            "session_id",
            "user_id",
            "event_type",
            "stock_code",
            "url",
            "ts",
            "user_agent",
            "context",
        )
    ),
    business_date="ts",
)
