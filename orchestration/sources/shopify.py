"""Shopify, the web shop: Admin REST records, whole, each time one changed."""

from orchestration.extract import Records, Source, Stream

source = Source("shopify")


@source.table(
    required={"id": "text", "updated_at": "timestamp"},
    optional="""
        email phone first_name last_name created_at state verified_email tags currency default_address
        email_marketing_consent sms_marketing_consent
    """,
)
def customers(records: Records) -> Stream:
    """One row per customer and change."""
    return records.files()


@source.table(
    required={"id": "text", "created_at": "timestamp"},
    optional="""
        name email phone updated_at processed_at cancelled_at cancel_reason currency total_price
        subtotal_price total_tax total_discounts financial_status fulfillment_status customer
        billing_address shipping_address line_items discount_codes refunds checkout_token cart_token
        landing_site referring_site source_name
    """,
)
def orders(records: Records) -> Stream:
    """One row per order and change, with its line items and refunds."""
    return records.files()


@source.table(
    required={"id": "text", "created_at": "timestamp"},
    optional="""
        token cart_token email phone updated_at completed_at abandoned_checkout_url currency total_price
        line_items customer
    """,
)
def checkouts(records: Records) -> Stream:
    """One row per checkout and change, completed or abandoned."""
    return records.files()


@source.table(
    required={"id": "text"},
    optional="title vendor product_type handle tags created_at updated_at variants",
)
def products(records: Records) -> Stream:
    """One row per product and change."""
    return records.files()
