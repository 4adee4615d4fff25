"""Invoice lines as the tills export them: one CSV a day, in the layout of UCI Online Retail."""

from lakehouse_assets.layers import bronze_table
from resources.landing_reader import CsvFormat

transactions = bronze_table(
    landing_format=CsvFormat(
        columns=(
            "InvoiceNo",
            "StockCode",
            "Description",
            "Quantity",
            "InvoiceDate",
            "UnitPrice",
            "CustomerID",
            "Country",
        )
    ),
    business_date="InvoiceDate",
)
