{#- What `customers.customer_events` and `customers.customer_sessions` are made with (docs/timeline.md). -#}

{#- What an event says, but for its id and whose it is: names with commas between. -#}
{% macro event_details() -%}
    source, record_id, device_record_id, event_type, channel, campaign, utm_source, utm_medium, referrer_host, page_path, device_type, product_id,
    cart_id, order_id, ticket_id, detail, amount, currency, occurred_at, received_at, extracted_at
{%- endmacro %}

{#- The columns of an event: from staging with its owner beside it (`join_owners`), or of the owner that the relation `owned_by` has. -#}
{% macro event_fields(relation, event_id=none, owned_by=none) -%}
    {{ event_id or relation ~ '.event_id' }} as event_id,
    {% if owned_by -%}
    {{ owned_by }}.customer_id,
    {{ owned_by }}.is_shared_device,
    {%- else -%}
    {{ event_owner() }} as customer_id,
    device_owners.customer_id is not null as is_shared_device,
    {%- endif -%}
    {%- for column in event_details().split(',') %}
    {{ relation }}.{{ column | trim }}{{ ',' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- A hash of all columns of an event. -#}
{% macro event_hash(relation) -%}
    {%- set columns = [relation ~ '.event_id', relation ~ '.customer_id', relation ~ '.is_shared_device'] -%}
    {%- for column in event_details().split(',') -%}
        {%- do columns.append(relation ~ '.' ~ column | trim) -%}
    {%- endfor -%}
    {{ columns_hash(columns) }}
{%- endmacro %}

{#- The person of an event beside which `join_owners` stands. -#}
{% macro event_owner() -%}
    coalesce(device_owners.customer_id, identity_graph.customer_id)
{%- endmacro %}

{#- Whose a record is; on a device of several people, at the time of the event. -#}
{% macro join_owners(relation) -%}
    inner join identity_graph
        on {{ relation }}.source = identity_graph.source and {{ relation }}.record_id = identity_graph.record_id
    left join device_owners
        on
            {{ relation }}.source = device_owners.source
            and {{ relation }}.record_id = device_owners.record_id
            and {{ relation }}.occurred_at >= device_owners.valid_from
            and {{ relation }}.occurred_at < device_owners.valid_to
{%- endmacro %}

{#-
    Rows of `relation` with `session_id`: the id of the event the session begins with. A session ends after `session_minutes` in which
    the person did nothing on that browser or installation; not at midnight, and not with another campaign. An event whose source does not
    say the device has no session.
-#}
{% macro with_sessions(relation) -%}
    select
        marked.*,
        case
            when device_record_id is not null then {{ last_known('begins_with') }} over (
                partition by customer_id, source, device_record_id
                order by occurred_at, event_id
                rows between unbounded preceding and current row
            )
        end as session_id
    from (
        select
            {{ relation }}.*,
            case
                when {{ add_minutes('lag(occurred_at) over device', var('session_minutes')) }} >= occurred_at then null
                else event_id
            end as begins_with
        from {{ relation }}
        window device as (partition by customer_id, source, device_record_id order by occurred_at, event_id)
    ) as marked
{%- endmacro %}

{#- The last value that is not NULL, as a window function. -#}
{% macro last_known(value) -%}
    {{ adapter.dispatch('last_known', 'kinship')(value) }}
{%- endmacro %}

{% macro duckdb__last_known(value) -%}
    last_value({{ value }} ignore nulls)
{%- endmacro %}

{% macro spark__last_known(value) -%}
    last_value({{ value }}, true)
{%- endmacro %}

{#- The channel of a session: what the rules say of its traffic (`same_traffic`), or where it began. -#}
{% macro session_channel(relation) -%}
    coalesce(traffic_channels.channel, case when {{ relation }}.is_app then 'app' else 'direct' end)
{%- endmacro %}

{% macro same_traffic(relation, other) -%}
    {%- for column in ['utm_source', 'utm_medium', 'referrer_host'] -%}
    {{ relation }}.{{ column }} is not distinct from {{ other }}.{{ column }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- Until when each source's events were taken in, as text. -#}
{% macro extracted_until(held) -%}
    select
        source,
        cast(max(extracted_at) as string) as extracted_until
    from {{ held }}
    group by source
    having max(extracted_at) is not null
{%- endmacro %}

{#-
    Sources of which `held` is not what they tell, apart from what was taken in after `after`: an extract was withdrawn, a person
    became a colleague, a record was taken out of the middle. Events are counted by the moment they were taken in, so that
    nothing wide is read; where that moment is not known, by their ids.
-#}
{% macro drifted_sources(held, after) -%}
    select source
    from (
        select source, extracted_at, 1 as surplus
        from ({{ union_sources('events') }}) as told
        where extracted_at is not null
        union all
        select source, extracted_at, -1 as surplus
        from ({{ union_sources('events', after) }}) as fresh
        where extracted_at is not null
        union all
        select source, extracted_at, -1 as surplus
        from {{ held }}
        where extracted_at is not null
        union all
        -- what is told anew takes the place of what is held
        select held.source, held.extracted_at, 1 as surplus
        from {{ held }} as held
        inner join (
            select source || ':' || event_id as event_id
            from ({{ union_sources('events', after) }}) as fresh
            where extracted_at is not null
        ) as fresh on held.event_id = fresh.event_id
        where held.extracted_at is not null
    ) as counted
    group by source, extracted_at
    having sum(surplus) <> 0
    union
    select held.source
    from {{ held }} as held
    left join (
        select source || ':' || event_id as event_id
        from ({{ union_sources('events', after) }}) as told
        where extracted_at is null
    ) as told on held.event_id = told.event_id
    where held.extracted_at is null and told.event_id is null
{%- endmacro %}

{#-
    CTEs up to `timeline`: what has to be put into sessions so that `held` becomes what a build from nothing would make. `told` is what was
    read again, `drifted` the sources that were read whole.

    An event is fresh when it was told since, or when its person is another now: the person of a record can only have changed where identity
    has assigned it anew, or on a device of several people. Fresh events reach the sessions near them, and no others: two sessions
    grow together or part only at an event that came or went.
-#}
{% macro timeline_changes(told, held, drifted) -%}
{%- set kept = "source not in ('" ~ drifted | join("', '") ~ "')" if drifted else "event_id is not null" -%}
-- as hashes: whole rows side by side take three times the memory
known as (
    select
        event_id,
        {{ event_hash('held') }} as said
    from {{ held }} as held
    where extracted_at is null and {{ kept }}
),

changed as (
    select {{ told }}.*
    from {{ told }}
    left join known on {{ told }}.event_id = known.event_id and {{ event_hash(told) }} = known.said
    where known.event_id is null
),

suspects as (
    select source, record_id
    from {{ ref('identity_assignments') }}
    group by source, record_id
    -- a record that has just come has no events here
    having max(assigned_at) > (select max(changed_at) from {{ held }}) and count(*) > 1
    union
    select source, record_id from device_owners
    union
    select source, record_id from {{ held }}
    where is_shared_device
),

-- few of them have another person now: only of those the whole row is read
reassigned as (
    select
        held.event_id,
        {{ event_owner() }} as customer_id,
        device_owners.customer_id is not null as is_shared_device
    from {{ held }} as held
    inner join suspects on held.source = suspects.source and held.record_id = suspects.record_id
    {{ join_owners('held') }}
    left join changed on held.event_id = changed.event_id
    where
        changed.event_id is null
        and held.{{ kept }}
        and (
            {{ event_owner() }} <> held.customer_id
            or (device_owners.customer_id is not null) <> held.is_shared_device
        )
),

fresh as (
    select * from changed
    union all
    select
        {{ event_fields('held', owned_by='reassigned') }}
    from {{ held }} as held
    inner join reassigned on held.event_id = reassigned.event_id
),

-- what was held of a fresh event leaves its session
left_sessions as (
    select distinct held.session_id
    from {{ held }} as held
    inner join fresh on held.event_id = fresh.event_id
    where held.session_id is not null
),

-- an hour before and after says enough: a session's pause is shorter
near as (
    {%- for hours in (-1, 0, 1) %}
    select
        customer_id,
        source,
        device_record_id,
        {{ add_hours("date_trunc('hour', occurred_at)", hours) }} as near_hour
    from fresh
    where device_record_id is not null
    {%- if not loop.last %}
    union
    {%- endif %}
    {%- endfor %}
),

touched_sessions as (
    select session_id from left_sessions
    union
    select held.session_id
    from {{ held }} as held
    inner join near
        on
            held.customer_id = near.customer_id
            and held.source = near.source
            and held.device_record_id = near.device_record_id
            and date_trunc('hour', held.occurred_at) = near.near_hour
),

timeline as (
    select
        *,
        true as is_fresh,
        cast(null as {{ dbt.type_string() }}) as held_session_id
    from fresh
    union all
    select
        {{ event_fields('held', owned_by='held') }},
        false as is_fresh,
        held.session_id as held_session_id
    from {{ held }} as held
    inner join touched_sessions on held.session_id = touched_sessions.session_id
    left join fresh on held.event_id = fresh.event_id
    where fresh.event_id is null and held.{{ kept }}
),
{%- endmacro %}

{#- Deletes what no source tells any more, from sources of which more is held than told. A post-hook of `customer_events`. -#}
{% macro delete_vanished_events() -%}
    {%- set gone = [] -%}
    {%- if is_incremental() -%}
        {%- set counted -%}
            select source
            from (
                select source, 1 as surplus
                from ({{ union_sources('events') }}) as told
                union all
                select source, -1 as surplus
                from {{ this }}
            ) as counted
            group by source
            having sum(surplus) < 0
        {%- endset -%}
        {%- for row in run_query(counted).rows -%}
            {%- do gone.append(row[0]) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if gone -%}
    merge into {{ this }} as timeline
    using (
        select held.event_id
        from {{ this }} as held
        left join ({{ union_sources('events') }}) as told
            on held.event_id = told.source || ':' || told.event_id
        where told.event_id is null and held.source in ('{{ gone | join("', '") }}')
    ) as gone
        on timeline.event_id = gone.event_id
    when matched then delete
    {%- endif -%}
{%- endmacro %}

{#- Deletes sessions that no event begins any more. A post-hook of `customer_sessions`. -#}
{% macro delete_vanished_sessions() -%}
    {%- if is_incremental() -%}
    merge into {{ this }} as sessions
    using (
        select held.session_id
        from {{ this }} as held
        left join {{ ref('customer_events') }} as beginning
            on held.session_id = beginning.event_id and beginning.event_id = beginning.session_id
        where beginning.event_id is null
    ) as gone
        on sessions.session_id = gone.session_id
    when matched then delete
    {%- endif -%}
{%- endmacro %}
