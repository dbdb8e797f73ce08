{%- set changes = ref('int_customers__attribute_changes') -%}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ check_survivorship() }}",
    post_hook="{{ delete_stale(ref('int_customers__attribute_changes')) }}",
) }}

with

attribute_values as (
    select * from {{ ref('int_customers__attribute_values') }}
    {%- if is_incremental() %}
    where customer_id in ({{ touched_people(changes) }})
    {%- endif %}
),

survivorship as (
    select * from {{ ref('survivorship') }}
),

others as (
    select
        rule,
        source_order
    from survivorship
    where attribute = '*'
),

-- an attribute is chosen by itself, or with those it goes together with: that is the choice
ruled as (
    select
        attribute_values.*,
        not attribute_values.is_blocked and not attribute_values.is_invalid as may_stand,
        coalesce(rules.together, attribute_values.attribute) as choice,
        case when rules.together is null then attribute_values.value else '' end as entry,
        case when rules.together is null then attribute_values.is_verified else false end as speaks_verified,
        coalesce(rules.rule, others.rule) as rule,
        {{ place_in_order('attribute_values.source', 'coalesce(rules.source_order, others.source_order)') }}
            as source_place
    from attribute_values
    left join survivorship as rules on attribute_values.attribute = rules.attribute
    cross join others
),

-- a record stands by what it said last; a confirmed value stands until another is confirmed
timed as (
    select
        *,
        max(observed_at) over (partition by source, record_id, choice, speaks_verified) as last_said_at
    from ruled
    where may_stand
),

statements as (
    select
        customer_id,
        choice,
        source,
        record_id,
        entry,
        rule,
        source_place,
        observed_at,
        may_stand,
        bool_or(is_verified) as is_verified,
        count(distinct attribute) as attribute_count,
        sum(length(value)) as value_length,
        min(normal_value) as normal_value
    from timed
    where observed_at = last_said_at
    group by customer_id, choice, source, record_id, entry, rule, source_place, observed_at, may_stand
),

-- how values that go together are spelled: an ordered list of a group is dear, so only where it is asked for
spelled_together as (
    select
        source,
        record_id,
        choice,
        {{ string_list("attribute || '=' || normal_value") }} as normal_values
    from timed
    where observed_at = last_said_at and rule = 'most_frequent' and entry = ''
    group by source, record_id, choice
),

spelled as (
    select
        statements.*,
        coalesce(spelled_together.normal_values, statements.normal_value) as normal_statement
    from statements
    left join spelled_together
        on
            statements.source = spelled_together.source
            and statements.record_id = spelled_together.record_id
            and statements.choice = spelled_together.choice
),

frequencies as (
    select
        customer_id,
        choice,
        normal_statement,
        count(distinct source || ':' || record_id) as record_count
    from spelled
    where rule = 'most_frequent'
    group by customer_id, choice, normal_statement
),

ranked as (
    select
        spelled.*,
        row_number() over (
            partition by spelled.customer_id, spelled.choice
            order by
                -- of what goes together the fullest, then what the rule says, then as docs/profile.md has it
                spelled.attribute_count desc,
                case spelled.rule
                    when 'most_frequent' then frequencies.record_count
                    when 'longest' then spelled.value_length
                    when 'verified_first' then case when spelled.is_verified then 1 else 0 end
                    else 0
                end desc,
                case when spelled.rule = 'most_recent' then spelled.observed_at end desc nulls last,
                spelled.source_place asc,
                spelled.observed_at desc,
                spelled.source asc,
                spelled.record_id asc,
                spelled.entry asc
        ) as place
    from spelled
    left join frequencies
        on
            spelled.customer_id = frequencies.customer_id
            and spelled.choice = frequencies.choice
            and spelled.normal_statement = frequencies.normal_statement
),

placed as (
    select
        ruled.*,
        ranked.place,
        row_number() over (
            partition by ruled.customer_id, ruled.attribute
            order by ranked.place asc nulls last, ruled.source asc, ruled.record_id asc, ruled.value asc
        ) as candidate_rank
    from ruled
    left join ranked
        on
            ruled.customer_id = ranked.customer_id
            and ruled.choice = ranked.choice
            and ruled.source = ranked.source
            and ruled.record_id = ranked.record_id
            and ruled.entry = ranked.entry
            and ruled.observed_at = ranked.observed_at
            and ruled.may_stand = ranked.may_stand
),

customer_attribute_candidates as (
    select
        customer_id,
        attribute,
        cast(candidate_rank as integer) as candidate_rank,
        value,
        normal_value,
        source,
        record_id,
        rule,
        case
            when place = 1 and candidate_rank = 1 then 'won'
            when place is not null then 'lost'
            when is_blocked then 'blocked'
            when is_invalid then 'invalid'
            else 'superseded'
        end as outcome,
        is_verified,
        observed_at,
        {{ changes_up_to(changes) }} as changed_at
    from placed
)

select * from customer_attribute_candidates
