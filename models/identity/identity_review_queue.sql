{#-
    At a million people some 30 million pairs could be asked about. So they are put in order with numbers alone, and what a
    steward reads is fetched for the first of them: with every column the order took more than 19 GB of temporary files.
-#}
with

-- kept whole by DuckDB if it were read again below
edges as (
    select
        edge_id,
        left_source,
        left_record_id,
        right_source,
        right_record_id,
        weight,
        1 / (1 + power(2.0, -weight)) as probability,
        is_admitted
    from {{ ref('identity_edges') }}
    where rule <> 'must_link'
),

people as (
    select
        customer_id,
        record_count,
        has_conflict,
        weakest_weight,
        row_number() over (order by customer_id) as person
    from {{ ref('identity_health') }}
),

records as (
    select
        graph.source,
        graph.record_id,
        people.person,
        people.record_count,
        people.has_conflict,
        people.weakest_weight
    from {{ ref('identity_graph') }} as graph
    inner join people on graph.customer_id = people.customer_id
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

-- two people who may be one (merge); one person who may be two, and its weakest bridge (split)
asked as (
    select
        edges.edge_id,
        edges.weight,
        edges.probability,
        not edges.is_admitted as is_merge,
        least(lefts.person, rights.person) as person,
        greatest(lefts.person, rights.person) as other_person,
        case
            when edges.is_admitted
                then (1 - edges.probability) * lefts.record_count + lefts.record_count / 1000.0
            else edges.probability * least(lefts.record_count, rights.record_count)
        end as consequence
    from edges
    inner join records as lefts
        on edges.left_source = lefts.source and edges.left_record_id = lefts.record_id
    inner join records as rights
        on edges.right_source = rights.source and edges.right_record_id = rights.record_id
    left join decided
        on
            edges.left_source = decided.left_source
            and edges.left_record_id = decided.left_record_id
            and edges.right_source = decided.right_source
            and edges.right_record_id = decided.right_record_id
    where
        decided.left_record_id is null
        and case
            when edges.is_admitted
                then
                    lefts.has_conflict
                    and lefts.person = rights.person
                    and edges.weight <= lefts.weakest_weight + 1e-9
            else lefts.person <> rights.person
        end
),

-- of several pieces of evidence between the same people one is asked about
ranked as (
    select
        *,
        row_number() over (partition by is_merge, person, other_person order by weight desc, edge_id asc) as place
    from asked
),

first_questions as (
    select
        edge_id,
        is_merge,
        probability,
        consequence
    from ranked
    where place = 1
    order by consequence desc, edge_id asc
    limit {{ var('identity_review_questions') }}
),

review_queue as (
    select
        edges.edge_id as review_id,
        case when questions.is_merge then 'merge' else 'split' end as question,
        case when questions.is_merge then coalesce(edges.refusal, 'too_weak') else 'conflict' end as reason,
        cast(questions.consequence as double) as consequence,
        edges.left_source,
        edges.left_record_id,
        edges.right_source,
        edges.right_record_id,
        lefts.customer_id as left_customer_id,
        rights.customer_id as right_customer_id,
        edges.rule,
        edges.weight,
        cast(questions.probability as double) as probability,
        cast(left_people.record_count as bigint) as left_record_count,
        cast(right_people.record_count as bigint) as right_record_count,
        edges.detail,
        edges.last_seen_at
    from first_questions as questions
    inner join {{ ref('identity_edges') }} as edges on questions.edge_id = edges.edge_id
    inner join {{ ref('identity_graph') }} as lefts
        on edges.left_source = lefts.source and edges.left_record_id = lefts.record_id
    inner join {{ ref('identity_graph') }} as rights
        on edges.right_source = rights.source and edges.right_record_id = rights.record_id
    inner join people as left_people on lefts.customer_id = left_people.customer_id
    inner join people as right_people on rights.customer_id = right_people.customer_id
)

select * from review_queue
