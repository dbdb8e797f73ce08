{#- What the feature models of predictions share. A moment is a row of `int_predictions__moments`: one SQL for now and for every cut. -#}

{#- Whether a time lies in the days up to a moment. Without beginning, and the moment included: windows side by side share no time. -#}
{% macro is_within(timestamp, days, moment='moment') -%}
    ({{ timestamp }} > {{ add_days(moment, '-' ~ days) }} and {{ timestamp }} <= {{ moment }})
{%- endmacro %}

{#-
    Who is looked at, per moment of the CTE `moments`: everyone of `relation` who was there by then (`timestamp`); at the cuts that classifiers learn
    from no more than the variable `predictions_learners` says. Ids are hashes, so the lowest are a fair sample, and the same one in every run.
-#}
{% macro people_at_moments(relation, timestamp) -%}
    select
        model,
        cut_number,
        moment,
        horizon_days,
        customer_id
    from (
        select
            moments.*,
            people.customer_id,
            row_number() over (partition by moments.model, moments.cut_number order by people.customer_id) as place
        from (select customer_id, min({{ timestamp }}) as first_at from {{ relation }} group by customer_id) as people
        inner join moments on people.first_at <= moments.moment
    ) as ranked
    where cut_number = 0 or model = 'expected_value' or place <= {{ var('predictions_learners') }}
{%- endmacro %}

{#- Messages sent to people and what they did with them: `role` is sent, opened or answered. An open is not an answer: machines open mail. -#}
{% macro campaign_events() -%}
    select
        event_id,
        customer_id,
        channel,
        campaign,
        occurred_at,
        received_at,
        case
            when event_type in ('email_received', 'sms_received') then 'sent'
            when event_type = 'email_opened' then 'opened'
            else 'answered'
        end as role
    from {{ ref('customer_events') }}
    where
        channel in ('email', 'sms')
        and event_type in (
            'email_received', 'sms_received', 'email_opened', 'email_clicked', 'email_replied', 'sms_clicked'
        )
{%- endmacro %}

{#- What every model of predictions found (kinship/predictions/backtest.py), under one another. A model of your own belongs into this list. -#}
{% macro model_fits() -%}
    {%- for fit in [
        ref('int_predictions__expected_value_fit'),
        ref('int_predictions__churn_fit'),
        ref('int_predictions__campaign_propensity_fit'),
        ref('int_predictions__next_products_fit'),
        ref('int_predictions__tickets_fit'),
    ] %}
        select
            model, model_version, as_of_date, is_published, reason, trained_rows, parameters, metric, value, naive_value, naive_rule, cut_date,
            horizon_days
        from {{ fit }}
        {% if not loop.last %}union all{% endif %}
    {%- endfor %}
{%- endmacro %}
