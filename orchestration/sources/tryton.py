"""Tryton, an ERP with the parties a house deals with: records of its models, whole, each time one changed.

Off until its line in the list of sources is one (dbt_project.yml). Shapes after trytond 8.2 and its modules `party`,
`sale_opportunity` and `marketing_email`; of the last two the tables stay empty where they are not activated.
"""

from collections.abc import Mapping

from orchestration.extract import Records, Source, Stream
from orchestration.extract.live import Api
from orchestration.extract.live.tryton import Model, Session
from orchestration.extract.tables import Type

# TRYTON_URL is <server>/<database>, as for the destination
source = Source("tryton", Api(required=("URL", "USER", "PASSWORD"), path="/", auth=Session, parallel=2))

REQUIRED: Mapping[str, Type] = {"id": "text", "last_modified_at": "timestamp"}


@source.table(
    required=REQUIRED,
    optional="code name active lang_code categories_name replaced_by create_date",
    live=Model(
        model="party.party",
        fields=("code", "name", "active", "lang.code", "categories.name", "replaced_by", "create_date"),
    ),
)
def parties(records: Records) -> Stream:
    """One row per party and change."""
    return records.files()


@source.table(
    required=REQUIRED,
    optional="party type value active create_date",
    live=Model(model="party.contact_mechanism", fields=("party", "type", "value", "active", "create_date")),
)
def contact_mechanisms(records: Records) -> Stream:
    """One row per e-mail address, number ... of a party and change."""
    return records.files()


@source.table(
    required=REQUIRED,
    optional="party street city postal_code country_code active sequence create_date",
    live=Model(
        model="party.address",
        fields=("party", "street", "city", "postal_code", "country.code", "active", "sequence", "create_date"),
    ),
)
def addresses(records: Records) -> Stream:
    """One row per postal address of a party and change."""
    return records.files()


@source.table(
    required=REQUIRED,
    optional="party type code active create_date",
    live=Model(model="party.identifier", fields=("party", "type", "code", "active", "create_date")),
)
def identifiers(records: Records) -> Stream:
    """One row per official number (VAT ...) of a party and change."""
    return records.files()


@source.table(
    required=REQUIRED,
    optional="""
        number description state party contact_party amount currency_code conversion_probability start_date end_date
        create_date
    """,
    live=Model(
        model="sale.opportunity",
        fields=(
            "number", "description", "state", "party", "contact.party", "amount", "currency.code",
            "conversion_probability", "start_date", "end_date", "create_date",
        ),
        has_active=False,
    ),
)  # fmt: skip
def opportunities(records: Records) -> Stream:
    """One row per lead or opportunity and change."""
    return records.files()


@source.table(
    required=REQUIRED,
    optional="email list_name active create_date",
    live=Model(model="marketing.email", fields=("email", "list_.name", "active", "create_date")),
)
def subscribers(records: Records) -> Stream:
    """One row per address on a mailing list and change."""
    return records.files()
