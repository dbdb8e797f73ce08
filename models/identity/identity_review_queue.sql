with

edges as (
    select * from {{ ref('identity_edges') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

health as (
    select * from {{ ref('identity_health') }}
),

-- what a steward has decided is not asked again, whichever way round it was written
decided as (
    select
        left_source,
        left_record_id,
        right_source,
        right_record_id
    from {{ ref('identity_overrides') }}
    where
        action in ('must_link', 'cannot_link')
        and (expires_on is null or expires_on >= current_date)
    union
    select
        right_source as left_source,
        right_record_id as left_record_id,
        left_source as right_source,
        left_record_id as right_record_id
    from {{ ref('identity_overrides') }}
    where
        action in ('must_link', 'cannot_link')
        and (expires_on is null or expires_on >= current_date)
),

placed as (
    select
        edges.*,
        lefts.customer_id as left_customer_id,
        rights.customer_id as right_customer_id,
        left_health.record_count as left_record_count,
        right_health.record_count as right_record_count,
        left_health.has_conflict,
        left_health.weakest_weight,
        1 / (1 + power(2.0, -edges.weight)) as probability
    from edges
    inner join identity_graph as lefts
        on edges.left_source = lefts.source and edges.left_record_id = lefts.record_id
    inner join identity_graph as rights
        on edges.right_source = rights.source and edges.right_record_id = rights.record_id
    inner join health as left_health on lefts.customer_id = left_health.customer_id
    inner join health as right_health on rights.customer_id = right_health.customer_id
    left join decided
        on
            edges.left_source = decided.left_source
            and edges.left_record_id = decided.left_record_id
            and edges.right_source = decided.right_source
            and edges.right_record_id = decided.right_record_id
    where decided.left_record_id is null and edges.rule <> 'must_link'
),

questions as (
    -- two people who may be one
    select
        'merge' as question,
        coalesce(refusal, 'too_weak') as reason,
        probability * least(left_record_count, right_record_count) as consequence,
        placed.*
    from placed
    where not is_admitted and left_customer_id <> right_customer_id
    union all
    -- one person who may be two: its weakest bridge
    select
        'split' as question,
        'conflict' as reason,
        (1 - probability) * left_record_count + left_record_count / 1000.0 as consequence,
        placed.*
    from placed
    where is_admitted and has_conflict and left_customer_id = right_customer_id and weight <= weakest_weight + 1e-9
),

-- of several pieces of evidence between the same people one is asked about
ranked as (
    select
        *,
        row_number() over (
            partition by
                question,
                least(left_customer_id, right_customer_id),
                greatest(left_customer_id, right_customer_id)
            order by weight desc, edge_id asc
        ) as place
    from questions
),

review_queue as (
    select
        edge_id as review_id,
        question,
        reason,
        cast(consequence as double) as consequence,
        left_source,
        left_record_id,
        right_source,
        right_record_id,
        left_customer_id,
        right_customer_id,
        rule,
        weight,
        cast(probability as double) as probability,
        cast(left_record_count as bigint) as left_record_count,
        cast(right_record_count as bigint) as right_record_count,
        detail,
        last_seen_at
    from ranked
    where place = 1
)

select * from review_queue
