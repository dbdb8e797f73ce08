with

scored_pairs as (
    select * from {{ ref('int_identity__scored_pairs') }}
),

attributes as (
    select
        nodes.node_id,
        attributes.attributes_hash
    from {{ ref('int_identity__record_attributes') }} as attributes
    inner join {{ ref('int_identity__nodes') }} as nodes
        on attributes.source = nodes.source and attributes.record_id = nodes.record_id
),

records as (
    select * from {{ ref('int_identity__records') }}
),

likeness_model as (
    select * from {{ ref('int_identity__likeness_model') }}
),

-- a score holds while both records say what they said when they were compared
likenesses as (
    select
        scored_pairs.left_id,
        scored_pairs.right_id,
        scored_pairs.match_weight,
        scored_pairs.detail,
        -- another given name under one roof is a relative, whatever else agrees, unless something agrees that is
        -- one's own: of 640 such pairs in a simulated CRM 90 % were two people
        scored_pairs.detail like '%given_name different%'
        and scored_pairs.detail not like '%email exact%'
        and scored_pairs.detail not like '%national_id exact%'
        and (
            scored_pairs.detail not like '%birth_date %'
            or scored_pairs.detail like '%birth_date different%'
        ) as is_relative,
        scored_pairs.model_version,
        greatest(left_records.first_seen_at, right_records.first_seen_at) as first_seen_at,
        greatest(left_records.last_seen_at, right_records.last_seen_at) as last_seen_at
    from scored_pairs
    inner join likeness_model on scored_pairs.model_version = likeness_model.model_version
    inner join attributes as left_attributes
        on
            scored_pairs.left_id = left_attributes.node_id
            and scored_pairs.left_hash = left_attributes.attributes_hash
    inner join attributes as right_attributes
        on
            scored_pairs.right_id = right_attributes.node_id
            and scored_pairs.right_hash = right_attributes.attributes_hash
    inner join records as left_records on scored_pairs.left_id = left_records.node_id
    inner join records as right_records on scored_pairs.right_id = right_records.node_id
    where scored_pairs.left_id <> scored_pairs.right_id
)

select * from likenesses
