with

overrides as (
    select * from {{ ref('identity_overrides') }}
),

records as (
    select * from {{ ref('int_identity__records') }}
),

-- two decisions about one pair or value: the later one holds, and of one day the one that keeps apart
ranked as (
    select
        *,
        row_number() over (
            partition by
                case when action = 'block_value' then identifier_type || ':' || identifier_value end,
                least(left_source || ':' || left_record_id, right_source || ':' || right_record_id),
                greatest(left_source || ':' || left_record_id, right_source || ':' || right_record_id)
            order by decided_on desc, action asc
        ) as recency
    from overrides
    where expires_on is null or expires_on >= current_date
),

decisions as (
    select
        ranked.action,
        least(lefts.node_id, rights.node_id) as left_id,
        greatest(lefts.node_id, rights.node_id) as right_id,
        ranked.identifier_type,
        ranked.identifier_value,
        ranked.author,
        ranked.reason,
        ranked.decided_on
    from ranked
    left join records as lefts
        on ranked.left_source = lefts.source and ranked.left_record_id = lefts.record_id
    left join records as rights
        on ranked.right_source = rights.source and ranked.right_record_id = rights.record_id
    where
        ranked.recency = 1
        -- a decision about a record that is not (or not yet) there waits for it
        and (ranked.action = 'block_value' or (lefts.node_id is not null and rights.node_id is not null))
)

select * from decisions
