{#-
    Events that people did themselves, and gladly. Not what was sent to them or done for them, not the end of a relation, and not
    what their device tells on its own.
-#}
{% macro is_engagement(event_type) -%}
    {{ event_type }} not in (
        'email_received', 'email_bounced', 'email_unsubscribed', 'email_marked_spam', 'sms_received', 'sms_unsubscribed',
        'order_cancelled', 'order_refunded', 'identified'
    )
{%- endmacro %}

{#- Events that are steps of a path to an order. -#}
{% macro is_step(event_type) -%}
    {{ is_engagement(event_type) }}
        and {{ event_type }} not in ('order_placed', 'order_completed_web')
{%- endmacro %}
