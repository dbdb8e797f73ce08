{#-
    Experiments: who gets what is decided by the hash of the person's id, salted with the experiment's name. The same on every engine and in
    every run, independent from one name to the next, and kept through merges, as the id that survives keeps its arm. Hexadecimal digits
    sort as the numbers they write, so the hash is compared as text: 8 digits, shares exact to 1 in 4 billion.
-#}

{#-
    The arm of a person, as text: `split('winback', a=45, b=45)`, percentages by arm; NULL for the rest. Further names are arms, so an arm
    may not be called `name` or `id`; `id` is the expression of the id.
-#}
{% macro split(name, id='customer_id') -%}
    {%- set shares = _checked_shares("split", name, kwargs) -%}
    {%- set reached = namespace(percent=0) -%}
    case
    {%- for arm, percent in kwargs.items() %}
        {%- set reached.percent = reached.percent + percent %}
        when {{ _bucket('split:' ~ name, id) }} < {{ _threshold(reached.percent) }} then '{{ arm }}'
    {%- endfor %}
    end
{%- endmacro %}

{#- Whether a person is held out: true for `percent` of all people, independent of a split of the same name. -#}
{% macro holdout(name, percent, id='customer_id') -%}
    {%- set shares = _checked_shares("holdout", name, {'percent': percent}) -%}
    ({{ _bucket('holdout:' ~ name, id) }} < {{ _threshold(percent) }})
{%- endmacro %}

{#-
    A query of the people who cannot be counted for one arm: records of theirs have had ids of different arms, as two people became one or
    one became two. Whoever reads the outcome of an experiment leaves them out: `where customer_id not in ({{ contaminated('winback', a=45, b=45) }})`.
-#}
{% macro contaminated(name) -%}
    select records.customer_id
    from {{ ref('identity_graph') }} as records
    inner join {{ ref('identity_assignments') }} as assignments
        on records.source = assignments.source and records.record_id = assignments.record_id
    where assignments.customer_id is not null
    group by records.customer_id
    having count(distinct coalesce({{ split(name, 'assignments.customer_id', **kwargs) }}, '')) > 1
{%- endmacro %}

{% macro _bucket(salt, id) -%}
    substr(md5('{{ salt }}:' || {{ id }}), 1, 8)
{%- endmacro %}

{#- The first 8 digits of a hash above the given share of all hashes; of all of them, what sorts after every digit. -#}
{% macro _threshold(percent) -%}
    {{ "'g'" if percent >= 100 else "'%08x'" % (percent * 42949672.96) | round | int }}
{%- endmacro %}

{% macro _checked_shares(macro, name, shares) -%}
    {%- set where = model.original_file_path ~ ": " ~ macro ~ "('" ~ name ~ "') " -%}
    {%- if not modules.re.fullmatch('[a-z0-9_]+', name) -%}
        {{ exceptions.raise_compiler_error(where ~ "needs a name of small letters, digits and underscores") }}
    {%- endif -%}
    {%- set numbers = shares.values() | select('number') | select('gt', 0) | list -%}
    {%- if not shares or numbers | length != shares | length or numbers | sum > 100 -%}
        {{ exceptions.raise_compiler_error(
            where ~ "needs percentages above 0 that add up to 100 at most, like a=45, b=45; got " ~ shares
        ) }}
    {%- endif -%}
{%- endmacro %}
