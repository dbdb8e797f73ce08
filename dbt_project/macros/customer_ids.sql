{#-
    Which id each person gets: CTEs that end in `persons` (cluster_id, customer_id, customer_since).

    `members` has one row per record: source, record_id, first_seen_at, cluster_id, old_id (its id so far, or NULL) and home_id (the first id
    it ever had), with the batches old_in and home_in in which it got them. `issued` has every id ever issued: customer_id, customer_since (first sight of the record it was made from).

    * An id whose records are all in one cluster is claimed by it.
    * An id whose records are spread over several clusters (a split): a part most of whose records came from another id, now unused, takes
      that id back - so an undone merge restores both. Of the other parts the largest keeps the id; ties go to the oldest record.
    * Of several claims the oldest id wins (a merge); by the age it was issued with, so that older data arriving late renames nobody.
    * A cluster without a claim gets a new id, the hash of its oldest record.
-#}
{% macro customer_ids(members, issued) -%}
parts as (
    select
        cluster_id,
        old_id,
        count(*) as record_count,
        min(first_seen_at) as oldest_at,
        min(source || ':' || record_id) as first_key
    from {{ members }}
    where old_id is not null
    group by cluster_id, old_id
),

-- when records of another id last came to the id
mergers as (
    select
        cluster_id,
        old_id,
        max(case when home_id <> old_id then old_in end) as merged_in
    from {{ members }}
    where old_id is not null
    group by cluster_id, old_id
),

-- the id most of a part's records had first; who came after the merger knew no other and has no say
homes as (
    select
        members.cluster_id,
        members.old_id,
        members.home_id,
        row_number() over (
            partition by members.cluster_id, members.old_id order by count(*) desc, members.home_id
        ) as place
    from {{ members }} as members
    inner join mergers on members.cluster_id = mergers.cluster_id and members.old_id = mergers.old_id
    where
        members.home_id <> members.old_id
        or mergers.merged_in is null
        or members.home_in < mergers.merged_in
    group by members.cluster_id, members.old_id, members.home_id
),

spread as (
    select
        parts.*,
        count(*) over (partition by parts.old_id) as part_count,
        case
            when homes.home_id <> parts.old_id and live.old_id is null then homes.home_id
        end as restorable_id
    from parts
    left join homes on parts.cluster_id = homes.cluster_id and parts.old_id = homes.old_id and homes.place = 1
    left join (select distinct old_id from parts) as live on homes.home_id = live.old_id
),

-- the parts that compete for one id, each for the id it came from where it can have that back
wanted as (
    select
        *,
        case when part_count > 1 then coalesce(restorable_id, old_id) else old_id end as wanted_id
    from spread
),

kept as (
    -- when every part could go back to another id, the largest stays
    select
        *,
        case
            when
                part_count > 1
                and restorable_id is not null
                and max(case when restorable_id is null then 1 else 0 end) over (partition by old_id) = 0
                and row_number() over (partition by old_id order by record_count desc, oldest_at, first_key) = 1
                then old_id
            else wanted_id
        end as claimed_id
    from wanted
),

claims as (
    select
        cluster_id,
        claimed_id,
        row_number() over (
            partition by claimed_id order by record_count desc, oldest_at, first_key
        ) as place
    from kept
),

winners as (
    select
        claims.cluster_id,
        claims.claimed_id as customer_id,
        issued.customer_since,
        row_number() over (
            partition by claims.cluster_id order by issued.customer_since, claims.claimed_id
        ) as place
    from claims
    inner join {{ issued }} as issued on claims.claimed_id = issued.customer_id
    where claims.place = 1
),

founders as (
    select
        cluster_id,
        source,
        record_id,
        first_seen_at,
        row_number() over (partition by cluster_id order by first_seen_at, source, record_id) as place
    from {{ members }}
),

persons as (
    select
        founders.cluster_id,
        coalesce(
            winners.customer_id,
            case
                when issued.customer_id is null then md5(founders.source || ':' || founders.record_id)
                -- the record gave its name to a person who has gone on without it
                else md5(founders.source || ':' || founders.record_id || ':' || issued_count.ids)
            end
        ) as customer_id,
        coalesce(winners.customer_since, founders.first_seen_at) as customer_since
    from founders
    cross join (select count(*) as ids from {{ issued }}) as issued_count
    left join winners on founders.cluster_id = winners.cluster_id and winners.place = 1
    left join {{ issued }} as issued
        on md5(founders.source || ':' || founders.record_id) = issued.customer_id
    where founders.place = 1
),
{%- endmacro %}
