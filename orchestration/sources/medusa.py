"""Medusa 2, a web shop of one's own: the records of its Admin API, whole, each time one changed.

Amounts are in major units (19.99), in the order's currency. Carts are not to be had: the Admin API does not list them.
"""

from dlt.sources.helpers.rest_client.auth import HttpBasicAuth

from orchestration.extract import Records, Source, Stream
from orchestration.extract.live import Api
from orchestration.extract.live.medusa import Entities

source = Source(
    "medusa",
    Api(
        # MEDUSA_URL is where the backend answers; MEDUSA_API_KEY a secret API key, the user of HTTP Basic
        required=("URL", "API_KEY"),
        path="/",
        auth=lambda settings: HttpBasicAuth(settings["API_KEY"], ""),
        parallel=2,
    ),
)

CUSTOMER = "id,email,first_name,last_name,phone,company_name,has_account,created_at,updated_at,metadata,*addresses"
ORDER = """
    id,display_id,status,email,currency_code,customer_id,region_id,sales_channel_id,created_at,updated_at,canceled_at,
    metadata,payment_status,total,item_total,shipping_total,tax_total,discount_total,credit_line_total,
    return_received_total,return_dismissed_total,*items,*items.adjustments,*shipping_methods,*billing_address,
    *shipping_address,*payment_collections,*payment_collections.payments,*payment_collections.payments.captures,
    *payment_collections.payments.refunds
"""
PRODUCT = """
    id,title,subtitle,handle,status,created_at,updated_at,deleted_at,*type,*collection,*categories,*variants,
    *variants.prices
"""


def fields(names: str) -> str:
    """The names as Medusa's parameter wants them."""
    return "".join(names.split())


@source.table(
    required={"id": "text", "updated_at": "timestamp"},
    optional="email first_name last_name phone company_name has_account created_at metadata addresses",
    live=Entities(name="customers", fields=CUSTOMER, size=500),
)
def customers(records: Records) -> Stream:
    """One row per customer, account or guest, and change, with its addresses."""
    return records.files()


@source.table(
    required={"id": "text", "updated_at": "timestamp"},
    optional="""
        display_id status email currency_code customer_id region_id sales_channel_id created_at canceled_at metadata
        payment_status total item_total shipping_total tax_total discount_total credit_line_total return_received_total
        return_dismissed_total items shipping_methods billing_address shipping_address payment_collections
    """,
    live=Entities(name="orders", fields=fields(ORDER), size=100, with_payments=True),
)
def orders(records: Records) -> Stream:
    """One row per order and change, with its items, shipping, payments and refunds; drafts are none."""
    return records.files()


@source.table(
    required={"id": "text", "updated_at": "timestamp"},
    optional="title subtitle handle status created_at deleted_at type collection categories variants",
    live=Entities(name="products", fields=fields(PRODUCT), pages="by number"),
)
def products(records: Records) -> Stream:
    """One row per product and change, with its variants and their prices."""
    return records.files()
