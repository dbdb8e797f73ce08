"""What the shop and the till sell. The till's stock code is the shop's sku, so the same thing is the same thing."""

from dataclasses import dataclass

_CATEGORIES: dict[str, tuple[float, str]] = {
    "Candles": (
        9.5,
        "Beeswax Candle;Lavender Candle;Cinnamon Candle;Tealight Set of 12;Lantern Candle;Floating Candles",
    ),
    "Mugs": (11.0, "Polka Dot Mug;Enamel Mug;Porridge Bowl and Mug;Travel Mug;Hand-Painted Mug;Espresso Cup Pair"),
    "Kitchen": (
        14.0,
        "Spotty Cake Tin;Recipe Box;Bamboo Tray;Jam Jar Set;Measuring Spoons;Gingham Apron;Tea Towel Trio;Butter Dish",
    ),
    "Lighting": (24.0, "T-Light Holder;Fairy Light String;Glass Lantern;Moroccan Lamp;Star Lamp;Paper Lantern"),
    "Bags": (18.0, "Jumbo Red Bag;Lunch Bag;Shopper Woodland;Canvas Tote;Picnic Bag;Weekend Bag"),
    "Stationery": (
        6.5,
        "Bound Notebook;Gift Wrap Roll;Greeting Card Set;Fountain Pen;Washi Tape;Pencil Tin;Travel Journal",
    ),
    "Toys": (12.5, "Wooden Train;Rag Doll;Spinning Top;Jigsaw 500;Building Blocks;Soft Bunny;Playhouse"),
    "Garden": (16.0, "Watering Can;Bird House;Herb Markers;Bunting;Plant Pot Trio;Garden Thermometer"),
    "Jewellery": (29.0, "Silver Earrings;Charm Bracelet;Locket;Amber Ring;Pearl Necklace;Jewellery Box"),
    "Home": (21.0, "Heart of Wicker;Wall Clock;Photo Frame;Doormat;Cushion Cover;Throw Blanket;Vase;Hot Water Bottle"),
    "Christmas": (8.0, "Glass Bauble;Advent Calendar;Wooden Star;Stocking;Paper Chain Kit"),
    "Food": (7.5, "Honey Gift Jar;Rose Tea;Shortbread Tin;Chilli Chocolate;Spiced Nuts"),
}
_COLOURS = ("", "Blue", "Ivory")


@dataclass(frozen=True, slots=True)
class Product:
    product_id: int
    variant_id: int
    sku: str
    title: str
    category: str
    price: float
    """EUR; what it costs in another currency is worked out where it is sold."""
    handle: str


def _build() -> tuple[Product, ...]:
    products: list[Product] = []
    for category, (base, names) in _CATEGORIES.items():
        for place, name in enumerate(names.split(";")):
            for shade, colour in enumerate(_COLOURS[: 2 if place % 3 else 1]):
                number = len(products)
                title = f"{name} {colour}".strip()
                price = round(base * (0.55 + 0.3 * ((place * 5 + shade) % 6)) - 0.05, 2)
                sku = f"{20_600 + number * 37}{'ABC'[shade] if shade else ''}"
                handle = title.lower().replace(" ", "-")
                products.append(
                    Product(
                        8_000_000_000_000 + number, 44_000_000_000_000 + number, sku, title, category, price, handle
                    )
                )
    return tuple(products)


PRODUCTS = _build()
# How often a product is looked at: few are loved, most are not.
POPULARITY = tuple(1 / (1 + (number * 31 % len(PRODUCTS))) ** 0.6 for number in range(len(PRODUCTS)))
RATES = {"EUR": 1.0, "GBP": 0.86, "BGN": 1.95583}


def price_in(product: Product, currency: str) -> float:
    return round(product.price * RATES[currency], 2)
