{#-
    Order of consent states, the most restrictive first: a withdrawal beats a yes. `denied` is the absence of a yes (never asked, box not
    ticked): it gives way to a yes said elsewhere. A state this list does not know ranks with withdrawals, so that it lets nothing out.
-#}
{% macro consent_rank(status) -%}
    case {{ status }} when 'granted' then 2 when 'denied' then 3 else 1 end
{%- endmacro %}
