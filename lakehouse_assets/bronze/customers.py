"""The customer system's change feed: one JSON line for each time a customer record changed."""

from lakehouse_assets.layers import bronze_table
from resources.landing_reader import JsonLinesFormat

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
