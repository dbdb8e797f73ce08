{#- `timestamp` moved by a number of hours or days (negative: earlier). -#}
{% macro add_hours(timestamp, hours) -%}
    {{ timestamp }} + {{ hours }} * interval '1' hour
{%- endmacro %}

{% macro add_days(timestamp, days) -%}
    {{ timestamp }} + {{ days }} * interval '1' day
{%- endmacro %}

{#- Whole days from `earlier` to `later`, by calendar date in UTC. -#}
{% macro days_between(earlier, later) -%}
    {{ adapter.dispatch('days_between', 'kinship')(earlier, later) }}
{%- endmacro %}

{% macro duckdb__days_between(earlier, later) -%}
    date_diff('day', {{ earlier }}, {{ later }})
{%- endmacro %}

{% macro spark__days_between(earlier, later) -%}
    cast(datediff({{ later }}, {{ earlier }}) as bigint)
{%- endmacro %}

{#- Every day from `first` to `last`, both included, as a list of dates; empty when `last` lies before `first`. -#}
{% macro date_series(first, last) -%}
    {{ adapter.dispatch('date_series', 'kinship')(first, last) }}
{%- endmacro %}

{% macro duckdb__date_series(first, last) -%}
    cast(generate_series(cast({{ first }} as date), cast({{ last }} as date), interval '1' day) as date[])
{%- endmacro %}

{% macro spark__date_series(first, last) -%}
    case
        when cast({{ last }} as date) >= cast({{ first }} as date)
            then sequence(cast({{ first }} as date), cast({{ last }} as date), interval '1' day)
        else cast(array() as array<date>)
    end
{%- endmacro %}

{#- `timestamp` moved by a number of minutes. -#}
{% macro add_minutes(timestamp, minutes) -%}
    {{ timestamp }} + {{ minutes }} * interval '1' minute
{%- endmacro %}

{#- Seconds from `earlier` to `later` (timestamps without zone), fractions included; negative when they stand the other way round. -#}
{% macro seconds_between(earlier, later) -%}
    {{ adapter.dispatch('seconds_between', 'kinship')(earlier, later) }}
{%- endmacro %}

{% macro duckdb__seconds_between(earlier, later) -%}
    (epoch_us({{ later }}) - epoch_us({{ earlier }})) / 1000000.0
{%- endmacro %}

{% macro spark__seconds_between(earlier, later) -%}
    (unix_micros(cast({{ later }} as timestamp_ltz)) - unix_micros(cast({{ earlier }} as timestamp_ltz))) / 1000000.0D
{%- endmacro %}
