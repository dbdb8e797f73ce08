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
