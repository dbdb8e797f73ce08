{#-
    What the folder models/segments/ promises of every file in it, set once as post-hooks in dbt_project.yml: the header says what the
    segment is, whose and what for; the table is one column `customer_id`, no NULL, no twin, only customers; who entered and left is
    written down, and how many there were. The books themselves are in models/segments/memberships/.
-#}

{#-
    A field of the header of a segment, by default of the one being built; '' when it is not there. `Purpose` and the like are one line, `What` goes
    on to the next field. kinship/segments/header.py reads the same fields.
-#}
{% macro segment_header(field, segment=none) -%}
    {%- set header = modules.re.match('\\s*/\\*(.*?)\\*/', (segment or model).raw_code, modules.re.DOTALL) -%}
    {%- set text = '(\\S.*?)(?=^\\s*[A-Z][a-z ]*:|\\Z)' if field == 'What' else '(\\S[^\\n]*)' -%}
    {%- set said = modules.re.search('(?ms)^\\s*' ~ field ~ ':[ \\t]*' ~ text, header.group(1)) if header else none -%}
    {{- said.group(1).split() | join(' ') if said else '' -}}
{%- endmacro %}

{#- Stops at once, when the project is parsed, where a segment's header does not say what it must. Returns no SQL. -#}
{% macro check_segment_header() -%}
    {%- if 'memberships' not in model.fqn -%}
        {%- set wrong = [] -%}
        {%- if not segment_header('What') -%}
            {%- do wrong.append("`What:` and who is in it, in a sentence") -%}
        {%- endif -%}
        {%- if not modules.re.fullmatch('[^@\\s]+@[^@\\s]+\\.[^@\\s]+', segment_header('Owner')) -%}
            {%- do wrong.append("`Owner:` and the e-mail address of who answers for it") -%}
        {%- endif -%}
        {%- if segment_header('Purpose') not in var('consent_purposes') -%}
            {%- do wrong.append("`Purpose:` and the consent it needs, one of " ~ var('consent_purposes') | join(', ')) -%}
        {%- endif -%}
        {%- if segment_header('Largest change')
            and not modules.re.fullmatch('\\d+(\\.\\d+)?|\\.\\d+', segment_header('Largest change')) -%}
            {%- do wrong.append("`Largest change:` and a share of its members, like 0.5") -%}
        {%- endif -%}
        {%- if wrong -%}
            {{ exceptions.raise_compiler_error(
                model.original_file_path ~ ": a segment begins with a comment /* ... */ that says what it is; write there "
                ~ wrong | join("; and ")
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Stops the run when a segment's table is not a set of customers. Returns no SQL. -#}
{% macro check_segment() -%}
    {%- if 'memberships' not in model.fqn -%}
        {%- set customers = ref('customers') -%}
        {%- if execute -%}
            {%- set columns = adapter.get_columns_in_relation(this) | map(attribute='name') | list -%}
            {%- if columns != ['customer_id'] -%}
                {{ exceptions.raise_compiler_error(
                    model.original_file_path ~ ": a segment returns one column, customer_id; this one returns " ~ columns | join(', ')
                ) }}
            {%- endif -%}
            {%- set faults = run_query(
                "select count(*) - count(customer_id), count(customer_id) - count(distinct customer_id), "
                ~ "count(distinct case when customer_id not in (select customer_id from " ~ customers ~ ") then customer_id end) from " ~ this
            ).rows[0] -%}
            {%- if faults[0] or faults[1] or faults[2] -%}
                {{ exceptions.raise_compiler_error(
                    model.original_file_path ~ ": a segment is a set of customers; found " ~ faults[0] ~ " rows without customer_id, "
                    ~ faults[1] ~ " repeated rows and " ~ faults[2] ~ " ids that are not in customers"
                ) }}
            {%- endif -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#-
    Ends the stays of those who are no longer in this segment and begins one for those who are new: whoever has one under an id that has since
    become this one is not. An end that an earlier build of this very moment, or of a later one, gave to a stay of people who are in is taken
    back. One statement, as each costs a commit on Spark.
-#}
{% macro keep_stays() -%}
    {%- if 'memberships' not in model.fqn -%}
        merge into {{ ref('int_segments__stays') }} as stays
        using (
            with held as (
                select
                    stays.customer_id,
                    stays.entered_at,
                    stays.left_at,
                    members.customer_id as member_id
                from {{ ref('int_segments__stays') }} as stays
                left join {{ ref('identity_redirects') }} as redirects on stays.customer_id = redirects.customer_id
                left join {{ this }} as members
                    on coalesce(redirects.current_customer_id, stays.customer_id) = members.customer_id
                where
                    stays.segment = '{{ model.name }}'
                    and (stays.left_at is null or (stays.left_at >= {{ as_of() }} and stays.entered_at <= {{ as_of() }}))
            )

            select customer_id, entered_at, {{ as_of() }} as left_at
            from held
            where left_at is null and member_id is null
            union all
            select customer_id, entered_at, cast(null as timestamp) as left_at
            from held
            where left_at is not null and member_id is not null
            union all
            select members.customer_id, {{ as_of() }} as entered_at, cast(null as timestamp) as left_at
            from {{ this }} as members
            left join held on members.customer_id = held.member_id
            where held.member_id is null
        ) as moved
            on
                stays.segment = '{{ model.name }}'
                and stays.customer_id = moved.customer_id
                and stays.entered_at = moved.entered_at
        when matched then update set left_at = moved.left_at
        when not matched then insert (segment, customer_id, entered_at, left_at)
            values ('{{ model.name }}', moved.customer_id, moved.entered_at, moved.left_at)
    {%- endif -%}
{%- endmacro %}

{#- Ends the stays in segments whose file is gone. -#}
{% macro close_removed_segments() -%}
    {%- set segments = [] -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values()
            if node.resource_type == 'model' and node.fqn[1] == 'segments' and 'memberships' not in node.fqn -%}
            {%- do segments.append("'" ~ node.name ~ "'") -%}
        {%- endfor -%}
    {%- endif -%}
    merge into {{ this }} as stays
    using (select {{ as_of() }} as left_at) as gone
        on stays.left_at is null and stays.segment not in ({{ segments | join(', ') or "''" }})
    when matched then update set left_at = gone.left_at
{%- endmacro %}

{#- Writes down how many are in this segment at the as-of moment, in place of what was written of the same moment before. -#}
{% macro count_members() -%}
    {%- if 'memberships' not in model.fqn -%}
        merge into {{ ref('int_segments__counts') }} as counts
        using (
            with person_stays as (
                {{ person_stays("stays.segment = '" ~ model.name ~ "'") }}
            ),

            consents as (
                select customer_id, channel
                from {{ ref('customer_consents') }}
                where purpose = '{{ segment_header('Purpose') }}' and status = 'granted' and channel in ('email', 'sms')
            ),

            reached as (
                select
                    count(case when consents.channel = 'email' and customers.email is not null then 1 end) as by_email,
                    count(case when consents.channel = 'sms' and customers.phone is not null then 1 end) as by_sms
                from {{ this }} as members
                inner join {{ ref('customers') }} as customers on members.customer_id = customers.customer_id
                inner join consents on members.customer_id = consents.customer_id
            )

            select
                '{{ model.name }}' as segment,
                {{ as_of() }} as as_of,
                (select count(*) from {{ ref('customers') }}) as customer_count,
                (select count(*) from {{ this }}) as member_count,
                (select count(*) from person_stays where entered_at = {{ as_of() }}) as entered_count,
                (select count(*) from person_stays where left_at = {{ as_of() }}) as left_count,
                reached.by_email as email_reachable_count,
                reached.by_sms as sms_reachable_count
            from reached
        ) as counted
            on counts.segment = '{{ model.name }}' and counts.as_of = counted.as_of
        {%- set numbers = [
            'customer_count', 'member_count', 'entered_count', 'left_count', 'email_reachable_count', 'sms_reachable_count'
        ] %}
        when matched then update set
            {%- for number in numbers %} {{ number }} = counted.{{ number }}{{ ',' if not loop.last }}{% endfor %}
        when not matched then insert (segment, as_of, {{ numbers | join(', ') }})
            values (counted.segment, counted.as_of, counted.{{ numbers | join(', counted.') }})
    {%- endif -%}
{%- endmacro %}

{#-
    One row per segment, person and stay, by the ids of today. A stay belongs to the id the person had on entering; the redirects say who
    that is now. Of people who were known by several ids, stays that overlap or touch are one: who was in under two ids, before these were
    found to be one person, has been in since the earlier of both; after an unmerge each has its own again.
-#}
{% macro person_stays(condition='1 = 1') -%}
    {%- set by_person = 'partition by segment, customer_id order by entered_at, ends_at, entered_as rows between unbounded preceding' -%}
    with merged as (
        select distinct current_customer_id as customer_id
        from {{ ref('identity_redirects') }}
        where customer_id <> current_customer_id
    ),

    stays as (
        select
            stays.segment,
            coalesce(redirects.current_customer_id, stays.customer_id) as customer_id,
            stays.customer_id as entered_as,
            stays.entered_at,
            stays.left_at
        from {{ ref('int_segments__stays') }} as stays
        left join {{ ref('identity_redirects') }} as redirects on stays.customer_id = redirects.customer_id
        -- one that began and ended at the same moment was a build that was corrected
        where {{ condition }} and (stays.left_at is null or stays.left_at > stays.entered_at)
    ),

    of_merged as (
        select
            *,
            coalesce(left_at, cast('9999-12-31 00:00:00' as timestamp)) as ends_at
        from stays
        where customer_id in (select customer_id from merged)
    ),

    reached as (
        select
            *,
            max(ends_at) over ({{ by_person }} and 1 preceding) as reached_at
        from of_merged
    ),

    numbered as (
        select
            *,
            sum(case when entered_at <= reached_at then 0 else 1 end) over ({{ by_person }} and current row) as stay
        from reached
    )

    select
        segment,
        customer_id,
        entered_at,
        left_at
    from stays
    where customer_id not in (select customer_id from merged)
    union all
    select
        segment,
        customer_id,
        min(entered_at) as entered_at,
        case when count(left_at) = count(*) then max(left_at) end as left_at
    from numbered
    group by segment, customer_id, stay
{%- endmacro %}

{#-
    Makes a model wait for every segment, where it is a table. dbt learns the order of models while it parses, and knows no folder then:
    the names come from the environment (kinship/settings.py). In a bare `dbt build` there are none; on DuckDB such a model is a view,
    right whenever it is read, and on Spark `kinship-dbt` names them.
-#}
{% macro after_segments() -%}
    {%- for name in env_var('KINSHIP_SEGMENTS', '').split() %}
-- depends_on: {{ ref(name) }}
    {%- endfor %}
{%- endmacro %}
