"""Invoice lines as the tills export them: one CSV a day, in the layout of UCI Online Retail."""

from lakehouse.tables.declarations import CsvFormat, bronze_table

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
