"""The index by which a person is found in the full file: what they are known by, in the order of the alphabet.

`search.terms` has one row per term, kind and person, sorted by term, so that a look-up reads a few blocks of it. A term
is an identifier in its normal form or as a source wrote it, the number of an order, ticket, deal or lead, the id of a
record, or a word of a name. `kind` says what it is, `<kind>:<term>` ends in how people write it
(`record:vtiger:contacts` and `12x34`). The masked file has no index: it would give away what is masked.
"""

import duckdb

SEARCH = "search"
"""The schema of the index, which the full file alone has."""

# words of a name: without accents and case; a mark that belongs to a letter stays with it
_WORDS = r"regexp_extract_all(lower(strip_accents(nfc_normalize({0}))), '[\p{{L}}\p{{N}}\p{{M}}]+')"
_DIGITS = r"regexp_replace({0}, '[^0-9]', '', 'g')"
_ID = "lower(substr({0}, strpos({0}, ':') + 1))"


def words(text: str) -> str:
    """The SQL of a text's words, as a list, in the form in which names are indexed."""
    return _WORDS.format(text)


def reversed_digits(text: str) -> str:
    """The SQL of a telephone number from its end: numbers that end alike stand together, whatever they begin with."""
    return f"reverse({_DIGITS.format(text)})"


def add_search(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Write `search.terms` into the full file, from the tables there."""
    connection.execute(f"create schema if not exists {catalog}.{SEARCH}")
    connection.execute(f"create or replace table {catalog}.{SEARCH}.terms as {_terms(catalog)}")


def _terms(catalog: str) -> str:
    numbered = " union all ".join(
        f"select {_ID.format(f'{name}_id')}, '{name}:' || source, customer_id from {catalog}.customers.customer_{name}s"  # noqa: S608 - our own
        for name in ("order", "ticket", "deal", "lead")
    )
    return f"""
        with candidates as (
            select attribute, value, customer_id from {catalog}.customers.customer_attribute_candidates
        ),

        found (term, kind, customer_id) as (
            select lower(identifier_value), identifier_type, customer_id
            from {catalog}.customers.customer_identifiers
            union all
            select lower(trim(value)), 'email', customer_id from candidates where attribute = 'email'
            union all
            select {reversed_digits("identifier_value")}, 'phone_reversed', customer_id
            from {catalog}.customers.customer_identifiers where identifier_type = 'phone'
            union all
            select {reversed_digits("value")}, 'phone_reversed', customer_id from candidates where attribute = 'phone'
            union all
            select
                {_ID.format("record_id")},
                'record:' || source || if(contains(record_id, ':'), ':' || split_part(record_id, ':', 1), ''),
                customer_id
            from {catalog}.identity.identity_graph
            union all
            {numbered}
            union all
            select lower(ltrim(order_number, '#')), 'order_number', customer_id
            from {catalog}.customers.customer_orders
            union all
            select unnest({words("value")}), 'name', customer_id
            from candidates where attribute in ('first_name', 'last_name', 'full_name')
            union all
            select unnest({words("value")}), 'company', customer_id from candidates where attribute = 'company_name'
        )

        select distinct term, kind, customer_id from found
        where term <> '' and customer_id is not null
        order by term, kind, customer_id
    """  # noqa: S608 - our own
