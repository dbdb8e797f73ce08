with

-- what was told of a party that has been archived since is no longer so
party_versions as (
    select * from {{ ref('stg_tryton__party_versions') }}
    where not is_company and record_class <> 'archived'
),

mechanisms as (
    select * from {{ ref('stg_tryton__contact_mechanism_versions') }}
    where not is_of_company and not is_erased and is_active and party_class <> 'archived'
),

emails as (
    select * from mechanisms
    where mechanism_type = 'email'
),

numbers as (
    select * from mechanisms
    where mechanism_type in ('phone', 'mobile')
),

addresses as (
    select
        addresses.record_id,
        addresses.street,
        addresses.city,
        addresses.postal_code,
        addresses.country_code,
        addresses.updated_at as changed_at
    from {{ ref('stg_tryton__addresses') }} as addresses
    inner join party_versions on addresses.party_id = party_versions.party_id and party_versions.is_latest
    where addresses.is_first and addresses.is_active
),

attributes as (
    {{ attribute_rows('tryton', {
        'party_versions': [
            ['full_name', 'name'],
            ['language', 'language'],
        ],
        'emails': [
            ['email', 'value'],
        ],
        'numbers': [
            ['phone', 'value'],
        ],
        'addresses': [
            ['street', 'street'],
            ['city', 'city'],
            ['postal_code', 'postal_code'],
            ['country_code', 'country_code'],
        ],
    }) }}
)

select * from attributes
