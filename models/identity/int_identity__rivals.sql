{#-
    A record is one person's: what else it is like, and is somebody else, speaks against a likeness. Likeness at the strict level is beyond
    doubt; nothing that comes later cuts it either.
-#}
with

likenesses as (
    select * from {{ ref('int_identity__likenesses') }}
),

-- each likeness from both its ends
candidates as (
    select
        left_id as node_id,
        right_id as other_id,
        match_weight
    from likenesses
    union all
    select
        right_id as node_id,
        left_id as other_id,
        match_weight
    from likenesses
),

doubtful as (
    select * from candidates
    where
        match_weight >= {{ var('identity_levels')['broad'] }}
        and match_weight < {{ var('identity_levels')['strict'] }}
),

compared as (
    select
        doubtful.node_id,
        doubtful.other_id,
        rivals.other_id as rival_id,
        rivals.match_weight,
        least(doubtful.match_weight, rivals.match_weight) as weaker_weight
    from doubtful
    inner join candidates as rivals
        on
            doubtful.node_id = rivals.node_id
            and doubtful.other_id <> rivals.other_id
            and rivals.match_weight >= 0
            -- two that the record is more like than that may both be right, alike or not
            and least(doubtful.match_weight, rivals.match_weight) < {{ identity_bits_apart() }}
),

-- rivals are two of whom the record is one or the other: that all three are one person is less likely than that the
-- weaker likeness is chance
rivals as (
    select compared.*
    from compared
    left join candidates as ties
        on compared.other_id = ties.node_id and compared.rival_id = ties.other_id
    where compared.weaker_weight + coalesce(ties.match_weight, -{{ identity_bits_apart() }}) < 0
),

-- odds in whole 1,024ths: their sum is the same in whatever order
odds as (
    select
        least(node_id, other_id) as left_id,
        greatest(node_id, other_id) as right_id,
        sum(cast(round(1024 * power(2.0, least(match_weight, 30.0))) as bigint)) as odds
    from rivals
    group by node_id, other_id
),

shares as (
    select
        left_id,
        right_id,
        round(ln(1 + max(odds) / 1024.0) / ln(2.0), 6) as rival_bits
    from odds
    group by left_id, right_id
)

select * from shares
