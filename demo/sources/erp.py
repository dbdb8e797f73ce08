"""The till: flat invoice lines, a file a month. Prices are in GBP, whatever the country of the buyer."""

from demo.catalogue import Product, price_in
from demo.clock import spaced
from demo.world import World

HEADER = "invoice_no,stock_code,description,quantity,invoice_ts,unit_price,customer_id,country\n"


def write_invoice(
    world: World,
    moment: int,
    invoice: str,
    lines: list[tuple[Product, int]],
    customer: str,
    country: str,
    arrival: int | None = None,
) -> None:
    """`lines` are products and quantities, negative when goods came back; `customer` is the loyalty number or ''."""
    at = spaced(moment)
    for product, quantity in lines:
        description = product.title.upper()
        price = price_in(product, "GBP")
        world.spool.add(
            "erp/invoices",
            arrival if arrival is not None else moment,
            f"{invoice},{product.sku},{description},{quantity},{at},{price:.2f},{customer},{country}",
        )
