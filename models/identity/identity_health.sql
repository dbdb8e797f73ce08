with

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

nodes as (
    select * from {{ ref('int_identity__nodes') }}
),

clusters as (
    select * from {{ ref('int_identity__clusters') }}
),

attributes as (
    select * from {{ ref('int_identity__record_attributes') }}
),

edges as (
    select * from {{ ref('identity_edges') }}
    where is_admitted
),

linked as (
    select
        identity_graph.customer_id,
        -- a pair counts once, however many reasons it has
        count(distinct concat_ws(
            '|',
            edges.left_source || ':' || edges.left_record_id,
            edges.right_source || ':' || edges.right_record_id
        )) as pair_count
    from edges
    inner join identity_graph
        on edges.left_source = identity_graph.source and edges.left_record_id = identity_graph.record_id
    group by identity_graph.customer_id
),

persons as (
    select
        identity_graph.customer_id,
        count(*) as record_count,
        count(distinct identity_graph.source) as source_count,
        min(clusters.weakest_weight) as weakest_weight,
        count(distinct attributes.given_name_canonical) as given_name_count,
        count(distinct attributes.birth_date) as birth_date_count
    from identity_graph
    inner join nodes
        on identity_graph.source = nodes.source and identity_graph.record_id = nodes.record_id
    left join clusters on nodes.node_id = clusters.node_id
    left join attributes
        on identity_graph.source = attributes.source and identity_graph.record_id = attributes.record_id
    group by identity_graph.customer_id
),

measured as (
    select
        persons.*,
        coalesce(linked.pair_count, 0) as pair_count,
        case
            when persons.record_count > 1
                then 2.0 * coalesce(linked.pair_count, 0) / (persons.record_count * (persons.record_count - 1))
        end as density,
        (
            persons.given_name_count > {{ var('identity_names_per_person') }}
            or persons.birth_date_count > 1
        ) as has_conflict,
        persons.weakest_weight < {{ var('identity_levels')['strict'] }} as has_weak_bridge
    from persons
    left join linked on persons.customer_id = linked.customer_id
),

health as (
    select
        customer_id,
        cast(record_count as bigint) as record_count,
        cast(source_count as bigint) as source_count,
        cast(pair_count as bigint) as pair_count,
        cast(density as double) as density,
        cast(weakest_weight as double) as weakest_weight,
        cast(given_name_count as bigint) as given_name_count,
        cast(birth_date_count as bigint) as birth_date_count,
        has_conflict,
        case
            when has_conflict and has_weak_bridge then 'D'
            when has_conflict then 'C'
            when has_weak_bridge then 'B'
            else 'A'
        end as grade
    from measured
)

select * from health
