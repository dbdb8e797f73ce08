{#-
    Order of consent states, the most restrictive first: a no, whether the first answer (`denied`) or a yes taken back (`withdrawn`), beats a
    yes, and a yes beats never having been asked (`unknown`). A state this list does not know ranks with a no, so that it lets nothing out.
-#}
{% macro consent_rank(status) -%}
    case {{ status }} when 'granted' then 2 when 'unknown' then 3 else 1 end
{%- endmacro %}
