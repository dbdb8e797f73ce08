with

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

attributes as (
    select * from {{ ref('int_identity__record_attributes') }}
),

addressed as (
    select
        identity_graph.customer_id,
        {{ postal_address_key(
            'attributes.street', 'attributes.postcode', 'attributes.city', 'attributes.country'
        ) }} as address_key,
        attributes.family_name,
        records.last_seen_at,
        identity_graph.source,
        identity_graph.record_id
    from identity_graph
    inner join attributes
        on identity_graph.source = attributes.source and identity_graph.record_id = attributes.record_id
    inner join {{ ref('int_identity__records') }} as records
        on identity_graph.source = records.source and identity_graph.record_id = records.record_id
),

-- where a person was last seen to live
ranked as (
    select
        *,
        row_number() over (
            partition by customer_id order by last_seen_at desc, source asc, record_id asc
        ) as recency
    from addressed
    where address_key is not null
),

residents as (
    select
        customer_id,
        address_key,
        count(*) over (partition by address_key) as member_count
    from ranked
    where recency = 1
),

households as (
    select
        customer_id,
        md5(address_key) as household_id,
        cast(member_count as bigint) as member_count
    from residents
    -- more people than this live in a block of flats, an office or a parcel shop
    where member_count <= {{ var('identity_largest_household') }}
)

select * from households
