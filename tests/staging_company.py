"""A company of a handful of records, each there for something that staging must get right. Hand-checked."""

from raw_tables import Files


def contact(**fields: str) -> dict[str, str]:
    return {"emailoptout": "0", "donotcall": "0", "createdtime": "2025-01-01 08:00:00"} | fields


ANN = contact(
    id="12x1",
    firstname="Ann",
    email=" Ann@example.com ",
    mobile="0888 123 456",
    mailingcountry="Bulgaria",
    birthday="0000-00-00",
    cf_marketing_consent="yes",
    cf_consent_date="2025-01-02 00:00:00",
    account_id="11x1",
    modifiedtime="2025-01-02 00:00:00",
)

VTIGER: dict[str, Files] = {
    "contacts": [
        [ANN, contact(id="12x2", firstname="Bob", donotcall="1", emailoptout="1", modifiedtime="2025-01-05 00:00:00")],
        # Ann has a new address and no longer wants mail; Bob is told of again, unchanged
        [
            ANN | {"email": "ann@new.example", "emailoptout": "1", "modifiedtime": "2025-02-01 00:00:00"},
            contact(id="12x2", firstname="Bob", donotcall="1", emailoptout="1", modifiedtime="2025-02-05 00:00:00"),
        ],
        # an older state of Ann in a later file changes nothing
        [
            ANN | {"lastname": "Old", "modifiedtime": "2025-01-01 12:00:00"},
            contact(id="12x3", firstname="Cid", email="cid@example.com", modifiedtime="2025-02-02 00:00:00"),
        ],
        # Cid was deleted there, and so was somebody whom we never saw
        [
            {"id": id, "modifiedtime": "2025-02-03T00:00:00Z", "_kinship_deleted_at": "2025-02-03T00:00:00Z"}
            for id in ("12x3", "12x4")
        ],
    ],
    "accounts": [
        [
            {
                "id": "11x1",
                "accountname": "Sample Ltd",
                "website": "https://www.Sample.example/about",
                "modifiedtime": "2025-01-01 00:00:00",
            }
        ]
    ],
    "potentials": [
        [
            {
                "id": "13x1",
                "contact_id": "12x9",
                "amount": "1200.5",
                "createdtime": "2025-01-03 00:00:00",
                "modifiedtime": "2025-01-03 00:00:00",
            }
        ]
    ],
    "events": [
        [
            {
                "id": f"18x{number}",
                "activitytype": kind,
                "eventstatus": status,
                "contact_id": "12x1",
                "date_start": "2025-01-10",
                "time_start": "14:30:00",
                "createdtime": "2025-01-09 00:00:00",
                "modifiedtime": "2025-01-11 00:00:00",
            }
            for number, (kind, status) in enumerate([("Call", "Held"), ("Call", "Planned"), ("Meeting", "Held")])
        ]
    ],
}

CARA = {
    "id": "100",
    "email": "cara@example.com",
    "tags": "vip, loyalty:100123",
    "created_at": "2025-01-01T10:00:00+02:00",
    "default_address": {"address1": "1 High St", "zip": "1000", "country_code": "bg", "phone": "02 123"},
}


def order(number: int, **fields: object) -> dict[str, object]:
    return {
        "id": str(number),
        "name": f"#{number}",
        "created_at": "2025-03-01T10:00:00Z",
        "currency": "eur",
        "total_price": "30.00",
        "total_discounts": "5.00",
        "financial_status": "paid",
        "source_name": "web",
        "line_items": [{"id": number * 10 + 1, "product_id": 7, "quantity": 2, "price": "17.50"}],
    } | fields


def refund(number: int, *payments: tuple[str, str]) -> dict[str, object]:
    transactions = [{"kind": kind, "amount": amount, "currency": "EUR"} for kind, amount in payments]
    return {"id": number, "created_at": "2025-03-05T00:00:00Z", "transactions": transactions}


SHOPIFY: dict[str, Files] = {
    "customers": [
        [
            CARA
            | {
                "updated_at": "2025-01-01T10:00:00+02:00",
                "email_marketing_consent": {"state": "subscribed", "consent_updated_at": "2025-01-01T10:00:00+02:00"},
            }
        ],
        [
            CARA
            | {
                "updated_at": "2025-04-01T00:00:00Z",
                "email_marketing_consent": {"state": "unsubscribed", "consent_updated_at": "2025-03-31T23:00:00-01:00"},
                "sms_marketing_consent": {"state": "pending", "consent_updated_at": None},
            }
        ],
    ],
    "orders": [
        [
            order(1, customer={"id": 100}, cart_token="cart-1", discount_codes=[{"code": "TEN", "amount": "5.00"}]),
            order(
                2,
                email="guest@example.com",
                financial_status="partially_refunded",
                refunds=[refund(1, ("refund", "10"))],
            ),
            order(3, customer={"id": 100}, cancelled_at="2025-03-02T00:00:00Z", refunds=[refund(2, ("void", "30"))]),
            order(4, customer={"id": 100}, source_name="pos", financial_status="pending", line_items="broken"),
        ]
    ],
    "checkouts": [
        [
            {
                "id": "5",
                "cart_token": "cart-5",
                "email": "late@example.com",
                "created_at": "2025-03-01T00:00:00Z",
                "currency": "EUR",
            }
        ]
    ],
}


def message(number: int, **fields: object) -> dict[str, object]:
    at = f"2025-05-01T10:{number:02}:00.000Z"
    return {
        "message_id": f"m{number}",
        "type": "track",
        "anonymous_id": "cookie",
        "timestamp": at,
        "received_at": at,
    } | fields


def choice(**purposes: bool) -> dict[str, object]:
    return {"consent": {"categoryPreferences": purposes}}


SEGMENT: dict[str, Files] = {
    "events": [
        [
            message(
                1,
                type="page",
                context={"page": {"path": "/shop/ann@example.com"}, "locale": "de-DE"} | choice(analytics=True),
            ),
            message(
                2,
                event="Product Added",
                properties={"price": 4.5, "quantity": 3, "product_id": "7"},
                context=choice(analytics=True),
            ),
            message(3, event="Order Completed", user_id="100", properties={"revenue": "13.50", "order_id": "1"}),
            message(
                4,
                type="identify",
                user_id="100",
                traits={"email": "cara@example.com"},
                context={"device": {"id": "d1"}},
            ),
            message(5, event="wishListShared", context="not JSON"),
            message(6, type="screen", name="Home", context=choice(analytics=False)),
            message(7, type="page", anonymous_id=""),
        ],
        # sent again: one message, as it was received last
        [
            message(
                2, event="Product Added", properties={"price": 4.5, "quantity": 4}, received_at="2025-05-01T11:00:00Z"
            )
        ],
    ]
}


def profile(**attributes: object) -> dict[str, object]:
    return {"id": "P1", "attributes": {"email": "dan@example.com", "created": "2025-01-01T00:00:00Z"} | attributes}


def klaviyo_event(number: int, metric: str, profile_id: str, **attributes: object) -> dict[str, object]:
    return {
        "id": f"e{number}",
        "attributes": attributes,
        "relationships": {"profile": {"data": {"id": profile_id}}, "metric": {"data": {"id": metric}}},
    }


KLAVIYO: dict[str, Files] = {
    "profiles": [
        [
            profile(
                updated="2025-01-02T00:00:00Z",
                external_id="100",
                location={"country": "България"},
                subscriptions={
                    "email": {"marketing": {"consent": "SUBSCRIBED", "timestamp": "2025-01-02T00:00:00Z"}},
                    "sms": {"marketing": {"consent": "NEVER_SUBSCRIBED", "timestamp": None}},
                },
            )
        ]
    ],
    "metrics": [
        [{"id": "M1", "attributes": {"name": "Unsubscribed"}}, {"id": "M2", "attributes": {"name": "Clicked SMS"}}]
    ],
    "events": [
        [
            klaviyo_event(1, "M1", "P1", timestamp=1740000000),
            klaviyo_event(
                2, "M2", "P2", datetime="2025-02-20T00:00:00+00:00", event_properties={"campaign_name": "spring"}
            ),
        ]
    ],
}

ZENDESK: dict[str, Files] = {
    "users": [
        [
            {"id": "1", "name": "Eva", "role": "end-user", "locale": "th", "updated_at": "2025-01-01T00:00:00Z"},
            {
                "id": "2",
                "name": "Agent",
                "email": "agent@example.com",
                "role": "agent",
                "updated_at": "2025-01-01T00:00:00Z",
            },
        ]
    ],
    "tickets": [
        [
            {
                "id": "10",
                "requester_id": "1",
                "priority": "high",
                "created_at": "2025-01-02T00:00:00Z",
                "updated_at": "2025-01-02T00:00:00Z",
            },
            {
                "id": "11",
                "requester_id": "2",
                "created_at": "2025-01-02T00:00:00Z",
                "updated_at": "2025-01-02T00:00:00Z",
            },
            {
                "id": "12",
                "requester_id": "3",
                "created_at": "2025-01-02T00:00:00Z",
                "updated_at": "2025-01-02T00:00:00Z",
            },
        ]
    ],
    "comments": [
        [
            {"id": "20", "ticket_id": "10", "author_id": "1", "body": "hello", "created_at": "2025-01-03T00:00:00Z"},
            {"id": "21", "ticket_id": "10", "author_id": "2", "body": "hello", "created_at": "2025-01-03T00:00:00Z"},
        ]
    ],
}


def line(
    invoice: str, price: str = "1.00", quantity: str = "1", customer: str | None = "7", at: str = "10:00"
) -> dict[str, str | None]:
    return {
        "invoice_no": invoice,
        "stock_code": "A",
        "quantity": quantity,
        "invoice_ts": f"2025-01-01 {at}:00",
        "unit_price": price,
        "customer_id": customer,
        "country": "EIRE",
    }


ERP: dict[str, Files] = {
    "invoice_lines": [
        [
            line("1"),
            line("1"),
            line("2", price="0.003", at="11:00"),
            line("3", price="0.003", at="12:00"),
            line("4", customer=None),
            line("5", price="0"),
            line("C6", price="2.50", quantity="-2"),
            line("C7", quantity="-1", customer=""),
            line("8", quantity="many"),
            line("9", customer="8"),
            line("9", customer="7"),
        ],
        # the first invoice is handed over again
        [line("1"), line("1")],
    ]
}

ADS: dict[str, Files] = {
    "campaign_costs": [
        [
            {
                "date": "2025-01-01",
                "channel": "Google",
                "campaign": "spring",
                "cost": "10.005",
                "clicks": "5",
                "currency": "eur",
            }
        ],
        [
            {
                "date": "2025-01-01",
                "channel": "Google",
                "campaign": "spring",
                "cost": "12",
                "clicks": "n/a",
                "currency": "eur",
            }
        ],
    ]
}

ENRICHMENT: dict[str, Files] = {
    "people": [
        [
            {
                "email": "Ann@Example.com",
                "job_title": "Buyer",
                "company_domain": "Sample.example",
                "updated_at": "2025-01-01T00:00:00Z",
            }
        ],
        [
            {
                "email": "ann@example.com",
                "job_title": "Head Buyer",
                "company_domain": "sample.example",
                "updated_at": "2025-02-01T00:00:00Z",
            }
        ],
    ],
    "companies": [[{"domain": "sample.example", "name": "Sample Ltd", "updated_at": "2025-01-01T00:00:00Z"}]],
}


def hubspot(number: int, changed: str = "2025-01-02", **fields: object) -> dict[str, object]:
    """An object of HubSpot's CRM API; what is no column of its own is a property."""
    names = ("associations", "archived")
    return {
        "id": str(number),
        "properties": {name: value for name, value in fields.items() if name not in names},
        "created_at": "2025-01-01T00:00:00.000Z",
        "updated_at": f"{changed}T00:00:00.000Z",
        "archived": False,
    } | {name: value for name, value in fields.items() if name in names}


def beside(**records: list[tuple[int, str]]) -> dict[str, object]:
    return {
        name: {"results": [{"id": str(number), "type": kind} for number, kind in of_type]}
        for name, of_type in records.items()
    }


def subscribed(status: str, at: str) -> dict[str, object]:
    named = {"subscriptionId": 7, "subscriptionName": "Marketing Information", "legalBasis": "CONSENT_WITH_NOTICE"}
    return {"channel": "EMAIL", "status": status, "timestamp": at} | named


INA = {"firstname": "Ina", "email": "ina@example.com", "country": "Bulgaria", "associatedcompanyid": "900"}

HUBSPOT: dict[str, Files] = {
    "contacts": [
        [
            hubspot(501, lifecyclestage="lead", **INA),
            hubspot(502, firstname="Ina", email="ina@old.example"),
            hubspot(503, firstname="Jo", email="jo@example.com"),
        ],
        # Ina's two contacts are one, which opted out of all mail; Jo is deleted
        [
            hubspot(
                501,
                "2025-02-01",
                lifecyclestage="customer",
                hs_email_optout="true",
                hs_additional_emails="ina@old.example",
                hs_merged_object_ids="502",
                hs_calculated_merged_vids="502:1738281600000",
                **INA,
            ),
            hubspot(503, "2025-02-02", archived=True, firstname="Jo", email="jo@example.com"),
        ],
    ],
    "companies": [[hubspot(900, name="Sample Ltd", domain="sample.example", numberofemployees="12")]],
    "deals": [
        [
            hubspot(
                700,
                dealname="Ovens",
                pipeline="81",
                dealstage="8101",
                amount="100.5",
                associations=beside(
                    contacts=[(502, "deal_to_contact"), (501, "deal_to_contact")],
                    companies=[(900, "deal_to_company_unlabeled"), (901, "deal_to_company")],
                ),
            ),
            hubspot(701, dealname="Pans", pipeline="default", dealstage="contractsent", deal_currency_code="usd"),
            hubspot(702, archived=True, dealname="Pots"),
        ],
        [hubspot(700, "2025-03-01", dealname="Ovens", pipeline="81", dealstage="8102", amount="")],
    ],
    "deal_pipelines": [
        [
            {
                "id": "81",
                "label": "Kitchens",
                "stages": [
                    {"id": "8101", "label": "Drawn", "metadata": {"isClosed": "false", "probability": "0.4"}},
                    {"id": "8102", "label": "Fitted", "metadata": {"isClosed": "true", "probability": "1.0"}},
                ],
            }
        ]
    ],
    "calls": [
        [
            hubspot(
                800,
                hs_timestamp="2025-01-05T10:00:00Z",
                associations=beside(contacts=[(501, "a"), (501, "b"), (509, "a")]),
            ),
            hubspot(801, hs_call_status="NO_ANSWER", associations=beside(contacts=[(501, "a")])),
        ]
    ],
    "meetings": [
        [
            hubspot(
                number,
                hs_meeting_start_time="2025-01-06T10:00:00Z",
                hs_meeting_outcome=outcome,
                associations=beside(contacts=[(501, "a")]),
            )
            for number, outcome in ((810, "SCHEDULED"), (811, "COMPLETED"))
        ]
    ],
    "subscription_statuses": [
        [
            {
                "subscriber_id_string": "Kim@example.com",
                "statuses": [
                    subscribed("SUBSCRIBED", "2025-01-01T00:00:00Z"),
                    subscribed("UNSUBSCRIBED", "2025-01-09T00:00:00Z")
                    | {"subscriptionId": 8, "subscriptionName": "Events"},
                ],
            }
        ],
        [
            {
                "subscriber_id_string": "Kim@example.com",
                "statuses": [subscribed("UNSUBSCRIBED", "2025-03-01T00:00:00Z")],
            }
        ],
    ],
}


def opt_out(**fields: str) -> dict[str, str]:
    return {
        "id": "o1",
        "destination": "mailchimp",
        "sync": "sync_mailchimp__members",
        "identifier_type": "email",
        "identifier": " Ann@new.example",
        "purpose": "marketing",
        "channel": "email",
        "status": "withdrawn",
        "opted_out_at": "2025-03-01T10:00:00Z",
        "seen_at": "2025-03-02T00:00:00Z",
    } | fields


DESTINATIONS: dict[str, Files] = {
    "opt_outs": [
        [opt_out(), opt_out(id="o2", identifier_type="phone", identifier="+359888123456", channel="sms")],
        # the same told again by a run that died; and somebody came back
        [
            opt_out(),
            opt_out(
                id="o2",
                identifier_type="phone",
                identifier="+359888123456",
                channel="sms",
                status="granted",
                opted_out_at="2025-05-01T10:00:00Z",
                seen_at="2025-05-02T00:00:00Z",
            ),
        ],
    ]
}

COMPANY: dict[str, dict[str, Files]] = {
    "vtiger": VTIGER,
    "shopify": SHOPIFY,
    "segment": SEGMENT,
    "klaviyo": KLAVIYO,
    "zendesk": ZENDESK,
    "erp": ERP,
    "ads": ADS,
    "enrichment": ENRICHMENT,
    "hubspot": HUBSPOT,
    "destinations": DESTINATIONS,
}
