with

scored_pairs as (
    select * from {{ ref('int_identity__scored_pairs') }}
),

likeness_model as (
    select
        max_by(model_version, scored_in) as model_version,
        coalesce(max_by(largest_component, scored_in), 50) as largest_component
    from scored_pairs
)

select * from likeness_model
