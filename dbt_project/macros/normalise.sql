{#-
    Normal forms of identifiers: two ways of writing one identifier come out equal, and what cannot be one comes out NULL.
    tests/test_normalise.py holds each against a well-kept library.
-#}

{#- An e-mail address in lower case without blanks and plus-tag (`Ann+shop@X.com` -> `ann@x.com`); Gmail's dots count for nothing. NULL when it is no address. -#}
{% macro normalise_email(value) -%}
    {%- set address = "lower(" ~ regexp_remove(value, '[ <>]+|^mailto:') ~ ")" -%}
    {%- set domain = "split_part(" ~ address ~ ", '@', 2)" -%}
    {%- set mailbox = "split_part(split_part(" ~ address ~ ", '@', 1), '+', 1)" -%}
    case
        when not {{ regexp_full_match(address, "[^@,;]+@[^@.,;]+([.][^@.,;]+)*[.][^@.,;0-9][^@.,;]+") }} or {{ mailbox }} = '' then null
        when {{ domain }} in ('gmail.com', 'googlemail.com') then replace({{ mailbox }}, '.', '') || '@gmail.com'
        else {{ mailbox }} || '@' || {{ domain }}
    end
{%- endmacro %}

{#-
    A telephone number in E.164 (`+359888123456`). `calling_code` and `trunk_prefix` are columns of the record's country (seed country_calling_codes);
    without a country only international notation can be read. NULL when the digits cannot make a number (ITU-T E.164: at most 15).
-#}
{% macro normalise_phone(value, calling_code, trunk_prefix) -%}
    {%- set written = regexp_remove(value, '[(]0[)]|[^0-9+]') -%}
    {%- set digits = regexp_remove(value, '[(]0[)]|[^0-9]') -%}
    case
        when length({{ digits }}) < 5 then null
        when {{ written }} like '+%' then {{ e164(digits) }}
        when {{ written }} like '00%' then {{ e164("substr(" ~ digits ~ ", 3)") }}
        when {{ calling_code }} is null then null
        when {{ trunk_prefix }} <> '' and {{ digits }} like {{ trunk_prefix }} || '%'
            then {{ e164(calling_code ~ " || substr(" ~ digits ~ ", length(" ~ trunk_prefix ~ ") + 1)") }}
        else {{ e164(calling_code ~ " || " ~ digits) }}
    end
{%- endmacro %}

{% macro e164(digits) -%}
    case when length({{ digits }}) between 7 and 15 and substr({{ digits }}, 1, 1) <> '0' then '+' || {{ digits }} end
{%- endmacro %}

{#- Any other identifier: trimmed, otherwise as written. NULL when empty. -#}
{% macro normalise_id(value) -%}
    nullif(trim({{ value }}), '')
{%- endmacro %}
