"""What the numbers of gold mean: each metric defined once, for every table that has it.

Belongs here: names, definitions, formulas and units. ``metric("net_sales")`` in a contract makes the column, so that
the contract, the UI and the page of metrics say the same. How the numbers are computed is in the tables' files and in
``gold/_measures.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lakehouse.contracts.contract import column


@dataclass(frozen=True)
class Metric:
    """A number that means the same wherever it stands.

    Attributes:
        name: the name of its columns.
        definition: what it is, in words; the description of its columns.
        formula: how it is computed, from columns of `silver.transactions` and from other metrics.
        unit: what it counts or is measured in.
    """

    name: str
    definition: str
    formula: str
    unit: str


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("days", "days with any invoice line", "count(distinct business_date)", "days"),
        Metric("orders", "distinct invoices of a day, of every kind", "count(distinct invoice_no), added up", "orders"),
        Metric(
            "sale_orders",
            "distinct invoices of a day with a line that is a sale",
            "count(distinct invoice_no where kind = 'sale'), added up",
            "orders",
        ),
        Metric("lines", "invoice lines, of every kind", "count(*)", "lines"),
        Metric("units", "units sold less units returned, of every kind", "sum(quantity)", "units"),
        Metric("gross_sales", "amount of sales", "sum(amount where kind = 'sale')", "GBP"),
        Metric("returns", "amount of cancellations, negative", "sum(amount where kind = 'cancellation')", "GBP"),
        Metric("net_sales", "amount of every kind of line", "sum(amount)", "GBP"),
        Metric(
            "average_basket",
            "amount of sales by invoice with a sale; none without one",
            "gross_sales / sale_orders, rounded half up",
            "GBP",
        ),
        Metric("customers", "distinct known customers", "count(distinct customer_id)", "customers"),
        Metric(
            "new_customers",
            "known customers whose first invoice line of all is of this period",
            "count(distinct customer_id where first_seen_at of gold.dim_customers is of the day), added up",
            "customers",
        ),
        Metric(
            "returning_customers",
            "known customers who had an invoice line before this period",
            "customers - new_customers",
            "customers",
        ),
        Metric(
            "revenue",
            "amount of sales and cancellations, without bad debt",
            "sum(amount where kind in ('sale', 'cancellation'))",
            "GBP",
        ),
        Metric(
            "costed_revenue",
            "revenue of the lines whose product had a known cost when they were invoiced",
            "sum(amount where kind in ('sale', 'cancellation') and cost_amount of gold.fact_sales is known)",
            "GBP",
        ),
        Metric(
            "cost_of_sales",
            "what the units sold cost, less those returned, at the cost as of each line; none if no cost is known",
            "sum(cost_amount where kind in ('sale', 'cancellation'))",
            "GBP",
        ),
        Metric(
            "margin",
            "revenue of the lines whose cost is known, less that cost",
            "costed_revenue - cost_of_sales",
            "GBP",
        ),
        Metric(
            "margin_rate",
            "margin as a share of the revenue it is made of; none where that is not positive",
            "margin / costed_revenue, rounded half up",
            "share",
        ),
        Metric("units_sold", "units of sales", "sum(quantity where kind = 'sale')", "units"),
        Metric("units_returned", "units of cancellations", "-sum(quantity where kind = 'cancellation')", "units"),
        Metric(
            "return_rate",
            "units returned by units sold in the same period, above 1 if more came back; none if none were sold",
            "units_returned / units_sold, rounded half up",
            "share",
        ),
        Metric("return_lines", "lines of cancellations", "count(* where kind = 'cancellation')", "lines"),
        Metric(
            "unlinked_return_lines",
            "lines of cancellations of which the sale was not found",
            "count(* of gold.fact_returns where not is_linked)",
            "lines",
        ),
        Metric(
            "revenue_rank",
            "place of the product by revenue in the month, the highest first; of equals the lower stock code",
            "row_number() over (order by revenue desc, stock_code)",
            "rank",
        ),
        Metric(
            "recency_days",
            "from the last sale to the last day of the month; none if there was no sale in 24 months",
            "last_day(month_start) - max(business_date where kind = 'sale')",
            "days",
        ),
        Metric(
            "frequency",
            "invoices with a sale in the 12 months that end with the month",
            "sum(sale_orders of gold.customer_months)",
            "orders",
        ),
        Metric(
            "monetary",
            "amount of every kind of line in the 12 months that end with the month",
            "sum(net_sales of gold.customer_months)",
            "GBP",
        ),
        Metric(
            "opening",
            "stock at the end of the last day before on which anything moved; 0 before the first movement",
            "closing of that day",
            "units",
        ),
        Metric("received", "what was delivered", "sum(quantity of receipts of silver.inventory)", "units"),
        Metric("sold", "what the warehouse booked as sold", "-sum(quantity of sales of silver.inventory)", "units"),
        Metric(
            "adjusted",
            "what was put right, by the warehouse or at the till; negative if taken",
            "sum(quantity of adjustments of silver.inventory and of lines where kind = 'adjustment')",
            "units",
        ),
        Metric(
            "counted",
            "what the day's last count found; none on a day without one",
            "quantity of the last count of silver.inventory",
            "units",
        ),
        Metric(
            "corrected",
            "what counts found beyond the books, negative if less",
            "closing - (opening + received - sold + adjusted)",
            "units",
        ),
        Metric(
            "closing",
            "stock at the end of the day; negative if more was taken than the books had",
            "quantity of the last count, of whichever day, and of all that moved after it",
            "units",
        ),
        Metric(
            "days_low",
            "calendar days for which stock was low; 0 when the alert is raised",
            "business_date - raised_on",
            "days",
        ),
        Metric(
            "duration_seconds",
            "whole seconds from the first event of a session to its last",
            "max(clicked_at) - min(clicked_at) of silver.clicks",
            "seconds",
        ),
        Metric("events", "events of a session, of every kind", "count(* of silver.clicks)", "events"),
        Metric("views", "pages viewed", "count(* of silver.clicks where event_type = 'view')", "events"),
        Metric(
            "carts",
            "times that something was put into the cart",
            "count(* of silver.clicks where event_type = 'cart')",
            "events",
        ),
        Metric(
            "purchases",
            "times that something was bought",
            "count(* of silver.clicks where event_type = 'purchase')",
            "events",
        ),
        Metric(
            "viewed",
            "sessions with a view of a product of the category",
            "count(distinct session_key of a view)",
            "sessions",
        ),
        Metric(
            "carted",
            "of those, sessions that put a product of the category into the cart after the first such view",
            "count(distinct session_key of a view, then a cart)",
            "sessions",
        ),
        Metric(
            "purchased",
            "of those, sessions that bought a product of the category after that",
            "count(distinct session_key of a view, then a cart, then a purchase)",
            "sessions",
        ),
        Metric("cart_rate", "sessions that carted, of those that viewed", "carted / viewed, rounded half up", "share"),
        Metric(
            "purchase_rate",
            "sessions that purchased, of those that carted; none where none did",
            "purchased / carted, rounded half up",
            "share",
        ),
        Metric(
            "conversion_rate",
            "sessions that purchased, of those that viewed",
            "purchased / viewed, rounded half up",
            "share",
        ),
    )
}


def metric(name: str, **checks: Any) -> Any:
    """Declare a column of a contract that holds a metric.

    Args:
        name: the metric; the column has the same name.
        checks: what else ``column`` takes.

    Raises:
        KeyError: no metric has this name.
    """
    found = METRICS[name]
    return column(found.definition, unit=found.unit, **checks)
