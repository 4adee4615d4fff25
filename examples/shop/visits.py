"""Visits of the web shop: who looks at what, puts it into the cart and buys it, event by event.

Sound events belong here. Files of them, and what is broken in those, do not: that is `clicks.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from examples.shop.catalogue import FIRST_CUSTOMER_ID, Catalogue, Product
from examples.shop.rng import Dice
from examples.shop.rows import Values

SITE = "https://shop.example"
Step = tuple[str, Product | None]

_VISITS_AT_LEAST, _VISITS_AT_MOST = 24, 2_000
_ROWS_PER_VISIT = 14  # invoice lines of an average day for each visit
_KNOWN_PERCENT, _CART_PERCENT, _BUYERS_PERCENT = 65, 30, 45
_NIGHT_EVERY, _NIGHT, _PAUSE_EVERY, _PAUSED = 16, 3, 12, 5
_SECOND_DEVICE_EVERY = 20
_FROM, _UNTIL = 7 * 3600, 20 * 3600  # ordinary visits start then; with the longest pause they end before midnight
_NIGHT_FROM = 23 * 3600 + 50 * 60
_PAUSE = 35 * 60  # at least; a visitor who had lunch
_MOST_PRODUCTS = 8
_BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36",
)
_SCREENS = ((1920, 1080), (390, 844), (1440, 900), (412, 915))
_REFERRERS = (None, "https://search.example/?q=caf%C3%A9", "https://news.example/gifts", f"{SITE}/")
_CAMPAIGNS = (None, {"name": "new year", "tags": ["mail", "10 %"]}, {"name": 'the "crème" sale', "tags": []})


@dataclass(frozen=True)
class Event:
    """One event: its values as they stand in a file, and when it was."""

    values: Values
    clicked_at: datetime


class Visits:
    """All sound visits of one world.

    Args:
        catalogue: What is looked at, and by whom.
        start: The first day.
        days: How many days the shop is watched; on the last one nobody visits it at midnight.
        rows_per_day: Invoice lines of an average day; busy shops have more visits, up to a limit.
    """

    def __init__(self, catalogue: Catalogue, *, start: date, days: int, rows_per_day: int) -> None:
        """Remember the world."""
        self._catalogue = catalogue
        self._start = start
        self._days = days
        self.visits_a_day = min(_VISITS_AT_LEAST + rows_per_day // _ROWS_PER_VISIT, _VISITS_AT_MOST)

    def date_of(self, day: int) -> date:
        """Return the calendar date of a day of the world."""
        return self._start + timedelta(days=day)

    def visit(self, day: int, number: int) -> list[Event]:
        """Return the events of one visit that starts on a day, in the order of their times.

        Every twentieth visitor has another visit going on, on another device. Some stay until the next day.
        """
        owner = number - 1 if number % _SECOND_DEVICE_EVERY == _SECOND_DEVICE_EVERY - 1 else number
        who, dice = Dice(self._catalogue.seed, "visitor", day, owner), Dice(self._catalogue.seed, "visit", day, number)
        is_known = who.one("known", 100) < _KNOWN_PERCENT
        customer = FIRST_CUSTOMER_ID + who.one("customer", len(self._catalogue.customers))
        name, steps = f"{self.date_of(day):%Y%m%d}-{number:05}", self._steps(dice)
        buys = steps[-1][0] == "purchase"
        moment = self._begin(day, owner, who) + timedelta(seconds=90 * (number - owner))
        gaps = dice.integers("gap", len(steps), 150_000).tolist()
        events = []
        for place, (step, gap) in enumerate(zip(steps, gaps, strict=True)):
            moment += timedelta(milliseconds=4_000 + gap)
            if place == len(steps) // 2 and number % _PAUSE_EVERY == _PAUSED:
                moment += timedelta(seconds=_PAUSE + dice.one("pause", _PAUSE))
            user = customer if is_known or (buys and step[0] == "purchase") else None  # some log in to pay
            ids = {"event_id": f"{name}-{place:02}", "session_id": f"s{name}", "user_id": user}
            about = _about(step, dice, text_of(moment), is_first=place == 0)
            events.append(Event(ids | about, moment))
        return events

    def _begin(self, day: int, number: int, who: Dice) -> datetime:
        midnight = datetime.combine(self.date_of(day), datetime.min.time(), UTC)
        if number % _NIGHT_EVERY == _NIGHT and day + 1 < self._days:
            return midnight + timedelta(seconds=_NIGHT_FROM + who.one("night", 8 * 60))
        return midnight + timedelta(seconds=_FROM + who.one("begin", _UNTIL - _FROM))

    def _steps(self, dice: Dice) -> list[Step]:
        """Return what a visitor does: looks at products, puts some into the cart, and perhaps buys all of those."""
        looks = 1 + min(dice.one("looks", _MOST_PRODUCTS), dice.one("looks again", _MOST_PRODUCTS))
        popular = dice.integers("popularity", looks, 1 << 16)
        carts = dice.integers("cart", looks, 100)
        steps: list[Step] = [("view", None)] if dice.one("home", 3) == 0 else []
        cart: list[Product] = []
        for popularity, carted in zip(popular.tolist(), carts.tolist(), strict=True):
            rank = (popularity * popularity >> 16) * len(self._catalogue.products) >> 16
            product = self._catalogue.products[rank]
            steps.append(("view", product))
            if carted < _CART_PERCENT and product not in cart:
                steps.append(("cart", product))
                cart.append(product)
        buys = dice.one("buys", 100) < _BUYERS_PERCENT
        return [*steps, *(("purchase", product) for product in cart if buys)]


def _about(step: Step, dice: Dice, at: str, *, is_first: bool) -> Values:
    """Return what an event says besides who it is about."""
    event_type, product = step
    device = dice.one("device", len(_BROWSERS))
    page = "/" if product is None else f"/p/{product.stock_code}" if event_type == "view" else f"/{event_type}"
    width, height = _SCREENS[device]
    context = {
        "screen": {"width": width, "height": height},
        "referrer": _REFERRERS[dice.one("referrer", len(_REFERRERS))] if is_first else f"{SITE}/",
        "campaign": _CAMPAIGNS[dice.one("campaign", len(_CAMPAIGNS))],
    }
    return {
        "event_type": event_type,
        "stock_code": product.stock_code if product else None,
        "url": f"{SITE}{page}",
        "ts": at,
        "user_agent": _BROWSERS[device],
        "context": context,
    }


def text_of(moment: datetime) -> str:
    """Return a time as browsers write it: in UTC, to the millisecond."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
