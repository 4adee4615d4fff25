"""Metrics that several gold tables have: what each means, said once.

Belongs here: names, definitions, formulas and units of what more than one table shows. A metric of one table is a
column with a formula in that table's file. How the numbers are computed is in the tables' files and in
``gold/_measures.py``.
"""

from __future__ import annotations

from lakehouse.contracts.metrics import Metric

DAYS = Metric("days", "days with any invoice line", "count(distinct business_date)", "days")
ORDERS = Metric("orders", "distinct invoices of a day, of every kind", "count(distinct invoice_no), added up", "orders")
SALE_ORDERS = Metric(
    "sale_orders",
    "distinct invoices of a day with a line that is a sale",
    "count(distinct invoice_no where kind = 'sale'), added up",
    "orders",
)
LINES = Metric("lines", "invoice lines, of every kind", "count(*)", "lines")
UNITS = Metric("units", "units sold less units returned, of every kind", "sum(quantity)", "units")
GROSS_SALES = Metric("gross_sales", "amount of sales", "sum(amount where kind = 'sale')", "GBP")
RETURNS = Metric("returns", "amount of cancellations, negative", "sum(amount where kind = 'cancellation')", "GBP")
NET_SALES = Metric("net_sales", "amount of every kind of line", "sum(amount)", "GBP")
AVERAGE_BASKET = Metric(
    "average_basket",
    "amount of sales by invoice with a sale; none without one",
    "gross_sales / sale_orders, rounded half up",
    "GBP",
)
CUSTOMERS = Metric("customers", "distinct known customers", "count(distinct customer_id)", "customers")
NEW_CUSTOMERS = Metric(
    "new_customers",
    "known customers whose first invoice line of all is of this period",
    "count(distinct customer_id where first_seen_at of gold.dim_customers is of the day), added up",
    "customers",
)
RETURNING_CUSTOMERS = Metric(
    "returning_customers",
    "known customers who had an invoice line before this period",
    "customers - new_customers",
    "customers",
)
CLOSING = Metric(
    "closing",
    "stock at the end of the day; negative if more was taken than the books had",
    "quantity of the last count, of whichever day, and of all that moved after it",
    "units",
)
