with

subscriber_versions as (
    select
        subscriber_id,
        record_id,
        email,
        is_latest,
        {{ explode_list(json_objects('statuses', [
            'subscriptionId', 'subscriptionName', 'channel', 'status', 'legalBasis', 'timestamp',
        ])) }} as said
    from {{ ref('stg_hubspot__subscriber_versions') }}
),

subscriptions as (
    select
        -- ids
        subscriber_id,
        record_id,
        said.subscriptionId as subscription_id,
        -- strings
        email,
        {{ text_or_null('said.subscriptionName') }} as subscription_name,
        lower(said.channel) as channel,
        upper(said.status) as status,
        upper(said.legalBasis) as legal_basis,
        -- booleans
        is_latest,
        -- timestamps
        {{ utc_timestamp('said.timestamp') }} as said_at
    from subscriber_versions
)

select * from subscriptions
