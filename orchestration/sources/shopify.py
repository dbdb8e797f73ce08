"""Shopify, the web shop: Admin REST records, whole, each time one changed."""

from dlt.sources.helpers.rest_client.auth import APIKeyAuth
from dlt.sources.helpers.rest_client.paginators import HeaderLinkPaginator

from orchestration.extract import Records, Source, Stream
from orchestration.extract.live import Api, ByEvents, ByIds, Listing, Rate

source = Source(
    "shopify",
    Api(
        # SHOPIFY_URL is https://<shop>.myshopify.com
        required=("URL", "ACCESS_TOKEN"),
        path="/admin/api/2025-10/",
        auth=lambda settings: APIKeyAuth("X-Shopify-Access-Token", settings["ACCESS_TOKEN"]),
        # a bucket of 40 calls that leaks 2 a second; twice that on Advanced, ten times on Plus
        rates={"": (Rate(40, 20.0),)},
        parallel=4,
        quota="X-Shopify-Shop-Api-Call-Limit",
    ),
)


PAGE = {"limit": "250"}


def changed(name: str, deleted: ByEvents | ByIds | None, **params: str) -> Listing:
    """A list of Shopify's, by time of change."""
    return Listing(
        f"{name}.json",
        name,
        HeaderLinkPaginator,
        params={**PAGE, "order": "updated_at asc", **params},
        since={"updated_at_min": "{since}"},
        between={"updated_at_min": "{since}", "updated_at_max": "{until}"},
        deleted=deleted,
    )


def destroyed(subject: str) -> ByEvents:
    """What Shopify's log of events says was deleted; it knows products, orders and articles, and no customers."""
    return ByEvents(
        Listing(
            "events.json",
            "events",
            HeaderLinkPaginator,
            id="subject_id",
            changed="created_at",
            params={**PAGE, "filter": subject, "verb": "destroy"},
            since={"created_at_min": "{since}"},
        )
    )


@source.table(
    required={"id": "text", "updated_at": "timestamp"},
    optional="""
        email phone first_name last_name created_at state verified_email tags currency default_address
        email_marketing_consent sms_marketing_consent
    """,
    live=changed("customers", ByIds({**PAGE, "fields": "id", "since_id": "0"})),
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
    live=changed("orders", destroyed("Order"), status="any"),
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
    live=changed("checkouts", None, status="any"),
)
def checkouts(records: Records) -> Stream:
    """One row per checkout and change, completed or abandoned."""
    return records.files()


@source.table(
    required={"id": "text"},
    optional="title vendor product_type handle tags created_at updated_at variants",
    live=changed("products", destroyed("Product")),
)
def products(records: Records) -> Stream:
    """One row per product and change."""
    return records.files()
