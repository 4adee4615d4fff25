"""Who buys and what is sold: the customers and products every other part of the shop refers to.

Names, prices and who lives where belong here. Files, changes over time and faults do not: those are the sources'
modules (`transactions.py`, `customers.py`, `products.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from examples.shop.rng import Dice

PRODUCT_COUNT = 4_000
CUSTOMER_COUNT = 5_000
FIRST_CUSTOMER_ID = 12_346
UNHEARD_OF_CUSTOMER, UNHEARD_OF_PRODUCT = "99999", "ZZ-UNKNOWN"  # the tills sell to and of them all the same
SEGMENTS = ("consumer", "corporate", "home_office")
HOME = "United Kingdom"

_COLOURS = ("WHITE", "RED", "BLUE", "PINK", "IVORY", "GREEN", "BLACK", "SILVER", "ASSORTED", "VINTAGE", "RETROSPOT")
_STYLES = ("HANGING", "ENAMEL", "WOODEN", "GLASS", "PAPER", "KNITTED", "TIN", "CERAMIC", "CAFÉ", "SET OF 3", "MINI")
_THINGS = (
    ("T-LIGHT HOLDER", "lighting"),
    ("LANTERN", "lighting"),
    ("LUNCH BAG", "bags"),
    ("JUMBO BAG", "bags"),
    ("CAKE STAND", "kitchen"),
    ("MUG, LARGE", "kitchen"),
    ('RULER 12"', "stationery"),
    ("WRAPPING PAPER", "stationery"),
    ("CHILDREN'S APRON", "textiles"),
    ("CUSHION COVER", "textiles"),
    ("PHOTO FRAME", "decoration"),
    ("BUNTING ", "decoration"),
    ("CRÈME BRÛLÉE SET", "kitchen"),
)
_CITIES = (
    (HOME, ("London", "Manchester", "Bristol", "Leeds", "Cardiff", "Edinburgh")),
    ("Germany", ("Berlin", "München", "Köln")),
    ("France", ("Paris", "Lyon", "Orléans")),
    ("EIRE", ("Dublin", "Cork")),
    ("Spain", ("Madrid", "Málaga")),
    ("Netherlands", ("Utrecht", "Rotterdam")),
    ("Norway", ("Oslo", "Tromsø")),
    ("Portugal", ("Lisboa", "Porto")),
    ("Switzerland", ("Zürich", "Genève")),
    ("Australia", ("Sydney", "Perth")),
)
_FIRST_NAMES = ("Ada", "Björn", "Chloé", "Dilan", "Emma", "Femi", "Greta", "Hugo", "Inés", "Jamal", "Kaja", "Liam")
_LAST_NAMES = ("Ahmed", "Brown", "Costa", "Dubois", "Evans", "Fischer", "García", "Hansen", "Ito", "Jones", "O'Neill")
_HOME_PERCENT = 80
_MAIL_HOSTS = ("example.com", "example.org", "mail.example.net")


@dataclass(frozen=True)
class Product:
    """A product as the catalogue first knows it; money in cents."""

    stock_code: str
    description: str
    category: str
    cost_cents: int
    price_cents: int
    reorder_level: int


@dataclass(frozen=True)
class Customer:
    """One version of a customer's master data."""

    customer_id: int
    name: str
    email: str | None
    phone: str
    city: str
    country: str
    segment: str
    is_deleted: bool


@dataclass(frozen=True)
class Catalogue:
    """The products and the first version of every customer of one world."""

    seed: int
    products: tuple[Product, ...]
    customers: tuple[Customer, ...]


def _products(seed: int) -> tuple[Product, ...]:
    """Make the catalogue; codes differ even without regard to case, some carry a variant letter."""
    dice = Dice(seed, "products")
    count = PRODUCT_COUNT
    names = zip(
        dice.integers("colour", count, len(_COLOURS)).tolist(),
        dice.integers("style", count, len(_STYLES)).tolist(),
        dice.integers("thing", count, len(_THINGS)).tolist(),
        dice.integers("price", count, 60).tolist(),
        dice.integers("margin", count, 40).tolist(),
        strict=True,
    )
    products = []
    for index, (colour, style, thing, price_step, margin) in enumerate(names):
        noun, category = _THINGS[thing]
        price = 29 + price_step * price_step // 2 + 5 * price_step
        products.append(
            Product(
                stock_code=f"{20_000 + index * 7}{('', 'A', 'B', '')[index % 4]}",
                description=f"{_COLOURS[colour]} {_STYLES[style]} {noun}",
                category=category,
                cost_cents=max(1, price * (40 + margin) // 100),
                price_cents=price,
                reorder_level=10 * (1 + index % 12),
            )
        )
    return tuple(products)


def customer(seed: int, index: int, version: int) -> Customer:
    """Return the master data of a customer after that many changes; version 0 is the first.

    Home, name and identity stay; contact data, city within the country and segment may change.
    """
    stable, current = Dice(seed, "customer", index), Dice(seed, "customer", index, version)
    home = stable.one("abroad", 100) < _HOME_PERCENT
    country, cities = _CITIES[0] if home else _CITIES[1 + stable.one("country", len(_CITIES) - 1)]
    first = _FIRST_NAMES[stable.one("first", len(_FIRST_NAMES))]
    last = _LAST_NAMES[stable.one("last", len(_LAST_NAMES))]
    customer_id = FIRST_CUSTOMER_ID + index
    mail = f"customer{customer_id}@{_MAIL_HOSTS[current.one('mail', len(_MAIL_HOSTS))]}"
    return Customer(
        customer_id=customer_id,
        name=f"{first} {last}",
        email=None if current.one("no mail", 50) == 0 else mail,
        phone=f"+44 20 {1000 + current.one('exchange', 9000)} {1000 + current.one('phone', 9000)}",
        city=cities[current.one("city", len(cities))],
        country=country,
        segment=SEGMENTS[min(current.one("segment", 6) // 2, 2)],
        is_deleted=version > 0 and current.one("deleted", 20) == 0,
    )


def make_catalogue(seed: int) -> Catalogue:
    """Make the products and first customers of the world of that seed."""
    customers = tuple(customer(seed, index, 0) for index in range(CUSTOMER_COUNT))
    return Catalogue(seed, _products(seed), customers)
