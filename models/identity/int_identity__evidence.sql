{#-
    Evidence that is gone stays as a row with `is_current` false, and `changed_in` counts the batches: what comes after looks only
    at what changed since it last looked. A full refresh does not begin the count again, or what comes after would look no more;
    every row is compared with what is found in any case.
-#}
{{ config(materialized='incremental', unique_key='evidence_id', incremental_strategy='merge', full_refresh=false) }}

with

found as (
    select * from {{ ref('int_identity__current_evidence') }}
),

{% if is_incremental() -%}
-- read once: DuckDB keeps a CTE that is read twice, here 22 GB of temporary files at a million people
known as (
    select * from {{ this }}
),

compared as (
    select
        coalesce(found.evidence_id, known.evidence_id) as evidence_id,
        coalesce(found.kind, known.kind) as kind,
        coalesce(found.left_id, known.left_id) as left_id,
        coalesce(found.right_id, known.right_id) as right_id,
        coalesce(found.rule, known.rule) as rule,
        coalesce(found.value_hash, known.value_hash) as value_hash,
        coalesce(found.tier, known.tier) as tier,
        coalesce(found.level, known.level) as level,
        coalesce(found.weight, known.weight) as weight,
        coalesce(found.most, known.most) as most,
        coalesce(found.detail, known.detail) as detail,
        coalesce(found.model_version, known.model_version) as model_version,
        coalesce(found.first_seen_at, known.first_seen_at) as first_seen_at,
        coalesce(found.last_seen_at, known.last_seen_at) as last_seen_at,
        found.evidence_id is not null as is_current,
        known.changed_in as known_changed_in,
        known.evidence_id is null
        or known.is_current <> (found.evidence_id is not null)
        or (
            found.evidence_id is not null
            and (
                found.tier <> known.tier
                or found.level <> known.level
                or abs(found.weight - known.weight) > 1e-9
                or coalesce(found.most, -1) <> coalesce(known.most, -1)
            )
        ) as has_changed,
        found.evidence_id is not null
        and (
            found.first_seen_at is distinct from known.first_seen_at
            or found.last_seen_at is distinct from known.last_seen_at
            or found.detail is distinct from known.detail
            or found.model_version is distinct from known.model_version
        ) as is_seen_again
    from found
    full join known on found.evidence_id = known.evidence_id
),

evidence as (
    select
        evidence_id,
        kind,
        left_id,
        right_id,
        rule,
        value_hash,
        tier,
        level,
        weight,
        most,
        detail,
        model_version,
        first_seen_at,
        last_seen_at,
        is_current,
        case
            when has_changed then (select coalesce(max(held.changed_in), 0) + 1 from {{ this }} as held)
            else known_changed_in
        end as changed_in
    from compared
    where has_changed or is_seen_again
)
{%- else -%}
evidence as (
    select
        evidence_id,
        kind,
        left_id,
        right_id,
        rule,
        value_hash,
        tier,
        level,
        weight,
        most,
        detail,
        model_version,
        first_seen_at,
        last_seen_at,
        true as is_current,
        cast(1 as bigint) as changed_in
    from found
)
{%- endif %}

select * from evidence
