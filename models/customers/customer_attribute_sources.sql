with

attributes as (
    {{ union_sources('attributes') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

source_priority as (
    select * from {{ ref('source_priority') }}
),

observed as (
    select
        identity_graph.customer_id,
        attributes.*,
        coalesce(source_priority.priority, 99) as priority
    from attributes
    inner join identity_graph
        on attributes.source = identity_graph.source and attributes.record_id = identity_graph.record_id
    left join source_priority on attributes.source = source_priority.source
),

-- the most trusted source speaks; of its own statements the latest
ranked as (
    select
        *,
        row_number() over (
            partition by customer_id, attribute
            order by priority asc, observed_at desc, record_id asc, value asc
        ) as precedence,
        count(*) over (partition by customer_id, attribute) as candidate_count
    from observed
),

customer_attribute_sources as (
    select
        customer_id,
        attribute,
        value,
        source,
        record_id,
        'source_priority' as rule,
        cast(candidate_count - 1 as integer) as lost_count,
        observed_at
    from ranked
    where precedence = 1
)

select * from customer_attribute_sources
