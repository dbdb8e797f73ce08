with

logins as (
    {{ union_sources('logins') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

owned as (
    select
        logins.source,
        logins.record_id,
        owners.customer_id,
        devices.customer_id as device_customer_id,
        logins.logged_in_at,
        logins.last_seen_at,
        lag(logins.last_seen_at) over device as previous_seen_at,
        lead(logins.logged_in_at) over device as next_login_at
    from logins
    inner join identity_graph as owners
        on logins.source = owners.source and logins.owner_record_id = owners.record_id
    inner join identity_graph as devices
        on logins.source = devices.source and logins.record_id = devices.record_id
    window device as (
        partition by logins.source, logins.record_id
        order by logins.logged_in_at, logins.owner_record_id
    )
),

-- a device that is its owner's needs no slices: everything on it is the owner's
device_owners as (
    select
        source,
        record_id,
        customer_id,
        -- who logs in was there shortly before, but not while another was
        greatest(
            {{ add_hours('logged_in_at', -1) }},
            coalesce(previous_seen_at, {{ add_hours('logged_in_at', -1) }})
        ) as valid_from,
        least(
            {{ add_hours('last_seen_at', 12) }},
            coalesce(
                greatest(last_seen_at, {{ add_hours('next_login_at', -1) }}),
                {{ add_hours('last_seen_at', 12) }}
            )
        ) as valid_to
    from owned
    where customer_id <> device_customer_id
)

select * from device_owners
