"""Activation: what each sync sent, what was refused or withheld and why, and what is to come."""

import pandas as pd
import streamlit as st

from dashboards import charts, data, layout, syncs
from dashboards.layout import plain
from dashboards.syncs import Standing
from dashboards.words import age, code, length, moment, number
from kinship.syncs.printing import DIGITS
from reverse_etl.ledger import utcnow

TOTALS = """
select
    sync,
    any_value(destination) as destination,
    max(started_at) as last_run_at,
    arg_max(status, started_at) as last_status,
    max(finished_at) filter (where status = 'done') as last_done_at,
    arg_max(added + changed + removed + coalesce(erased, 0), started_at) as accepted,
    arg_max(refused, started_at) as refused,
    arg_max(withheld, started_at) as withheld,
    arg_max(left_over, started_at) as left_over
from reverse_etl.sync_runs
group by sync
order by sync
"""

RUNS = """
select
    started_at,
    status,
    added + changed + removed + coalesce(erased, 0) + refused as sent,
    added,
    changed,
    removed,
    coalesce(erased, 0) as erased,
    refused,
    left_over,
    coalesce(opted_out, 0) as opted_out,
    calls,
    round(seconds, 1) as seconds,
    withheld,
    message,
    run_id
from reverse_etl.sync_runs
where sync = ?
order by started_at desc
"""

DAYS = """
unpivot (
    select
        cast(started_at as date) as day,
        cast(sum(added + changed + removed + coalesce(erased, 0)) as bigint) as accepted,
        cast(sum(refused) as bigint) as refused
    from reverse_etl.sync_runs
    where sync = ?
    group by day
) on accepted, refused into name outcome value rows
order by day, outcome
"""

PLAN = "select * exclude (run_id) from reverse_etl.sync_plans where sync = ? order by planned_at desc limit 1"

REFUSED = """
select error_class, operation, count(*) as answers, max(recorded_at) as last_at
from reverse_etl.sync_results
where sync = ? and outcome = 'rejected'
group by error_class, operation
order by answers desc, error_class, operation
"""


def overview(standings: list[Standing], totals: pd.DataFrame) -> pd.DataFrame:
    """One row per sync of the project or of the books: where it stands."""
    known = {one.sync.name: one for one in standings}
    told = {str(row["sync"]): row for row in totals.to_dict("records")}
    rows = []
    for name in sorted({*known, *told}):
        one, row = known.get(name), told.get(name, {})
        status = one.status if one else None
        withheld = syncs.counted(row.get("withheld"))
        rows.append(
            {
                "sync": name,
                "destination": one.sync.destination if one else row["destination"],
                "object": one.sync.object if one else None,
                "state": status.state if status else row.get("last_status", "never"),
                "last success": age(row.get("last_done_at")),
                "at destination": status.accepted if status and status.state != "running" else None,
                "sent": row.get("accepted", 0) + row.get("refused", 0),
                "refused": sum((status.refused or {}).values()) if status else row.get("refused", 0),
                "withheld": sum(withheld.values()),
                "left": row.get("left_over", 0),
                "calls today": _quota(one),
            }
        )
    return pd.DataFrame(rows)


def _quota(one: Standing | None) -> str:
    if one is None or one.status is None:
        return "–"
    used, allowed = one.status.calls_today, one.status.calls_per_day
    return f"{used:,} of {allowed:,}" if allowed is not None else f"{used:,}, no limit"


def standing(one: Standing | None, runs: pd.DataFrame) -> None:
    """The figures of one sync that has run."""
    last = runs.iloc[0]
    done_at = runs.loc[runs["status"] == "done", "started_at"].max()
    status = one.status if one else None
    counts = {
        "Sent": (last["sent"], "Rows the last run sent."),
        "Accepted": (last["sent"] - last["refused"], "Of them, those the destination took."),
        "Refused": (last["refused"], "Of them, those it refused."),
        "Withheld": (sum(syncs.counted(last["withheld"]).values()), "Rows the last run held back."),
        "Left": (last["left_over"], "Due rows that the last run did not come to."),
    }
    since = "never" if pd.isna(done_at) else length(utcnow() - done_at)
    layout.figures(
        [
            ("State", status.state if status else str(last["status"]), "Running, or how the last run ended."),
            ("Since last success", since, f"{moment(done_at)} UTC. A run that had nothing to send is not counted."),
            *((label, number(count), help) for label, (count, help) in counts.items()),
        ]
    )
    said = [f"The last run took {last['seconds']:,.1f} s and {number(last['calls'])} calls"]
    if status is not None and status.state != "running":
        left = status.calls_per_day and max(0, status.calls_per_day - status.calls_today)
        limit = "no daily limit" if left is None else f"{left:,} of {status.calls_per_day:,} left"
        said.append(f"{status.calls_today:,} calls in 24 hours, {limit}")
        said.append(f"the destination holds {number(status.accepted)} rows of ours")
    st.caption("; ".join(said) + ".")
    if status is not None and status.stalled:
        st.error(f"Stalled: {plain(status.stalled)}.", icon=":material/error:")
    if status is not None and status.unsettled:
        st.warning(
            f"{number(status.unsettled)} rows of an interrupted run have no answer yet; the next run settles them."
        )
    if last["message"]:
        st.warning(f"The last run said: {plain(str(last['message']))}")


def about(one: Standing) -> str:
    """What the project says of a sync, in one line."""
    sync = one.sync
    said = [f"{plain(sync.object)} at {plain(sync.destination)}", f"matched by {plain(sync.key)}", f"mode {sync.mode}"]
    return " · ".join([*said, f"purpose {plain(sync.purpose)}", f"owner {plain(sync.owner)}", plain(sync.file)])


def refused(name: str, one: Standing | None) -> None:
    """Refused rows that wait, by class and by row; and all refusals so far."""
    st.subheader("Refused and why", anchor=False)
    rows = syncs.waiting(one.sync) if one else None
    if rows is None:
        st.caption(
            "The rows that wait for another try are in the sync's ledger, which is in use, or not on this machine."
        )
    elif not rows:
        st.caption("No refused row waits for another try.")
    else:
        _waiting_rows(name, pd.DataFrame([vars(row) for row in rows]))
    so_far = data.frame(REFUSED, name)
    if len(so_far):
        st.caption("Every refusal so far, by class")
        layout.table(so_far.assign(last_at=so_far["last_at"].map(moment)))
        layout.download(so_far, f"{name}_refusals")


def _waiting_rows(name: str, rows: pd.DataFrame) -> None:
    counts = rows.groupby("error_class", as_index=False).agg(
        rows=("key_hash", "size"), tries=("tries", "max"), next_try=("next_attempt_at", "min")
    )
    counts = counts.sort_values("rows", ascending=False)
    charts.bars(counts, "error_class", "rows", title="rows that wait for another try", unit=",d")
    layout.table(counts.assign(next_try=counts["next_try"].map(moment)))
    classes = st.multiselect("Classes", list(counts["error_class"]), key=f"classes_{name}", placeholder="all")
    chosen = rows[rows["error_class"].isin(classes)] if classes else rows
    if not data.is_unmasked():
        chosen = chosen.assign(key_hash=chosen["key_hash"].str.slice(0, DIGITS))
    chosen = chosen[["key_hash", "operation", "error_class", "tries", "rejected_at", "next_attempt_at"]]
    layout.table(chosen)
    layout.download(chosen, f"{name}_rejected", "Download these rows")
    st.caption(f"{code(f'kinship rejected {name} --retry')} lets the next run try them all.")


def withheld(runs: pd.DataFrame) -> None:
    """Rows that the last run held back, by reason."""
    st.subheader("Withheld and why", anchor=False)
    reasons = syncs.counted(runs.iloc[0]["withheld"]) if len(runs) else {}
    if not reasons:
        st.caption("The last run held nothing back." if len(runs) else "There was no run yet.")
        return
    frame = pd.DataFrame(
        [
            {"reason": reason, "rows": count, "meaning": syncs.WITHHELD.get(reason, "")}
            for reason, count in reasons.items()
        ]
    ).sort_values("rows", ascending=False)
    charts.bars(frame, "reason", "rows", title="rows of the model not sent", unit=",d")
    layout.table(frame)


def plan(name: str, one: Standing | None, runs: pd.DataFrame) -> None:
    """What the last recorded plan meant to do, and what is known of the next one."""
    st.subheader("The plan", anchor=False)
    planned = data.frame(PLAN, name)
    if planned.empty:
        layout.missing("No plan of this sync is recorded yet.", f"{code(f'kinship plan {name}')} works one out.")
        return
    row = planned.iloc[0]
    st.caption(f"What was due when the last recorded run began, at {moment(row['planned_at'])} UTC")
    layout.table(planned.drop(columns=["sync", "destination", "withheld", "guard", "planned_at"]))
    if pd.notna(row["guard"]) and row["guard"]:
        st.warning(f"A guard stopped it: {plain(str(row['guard']))}", icon=":material/front_hand:")
    coming = []
    if len(runs) and runs.iloc[0]["left_over"]:
        coming.append(f"{number(runs.iloc[0]['left_over'])} rows that the last run did not come to")
    status = one.status if one else None
    if status is not None and status.refused:
        count = sum(status.refused.values())
        coming.append(f"{number(count)} refused rows, the first of them {age(status.next_attempt_at)}")
    if coming:
        st.markdown(f"The next run also tries {' and '.join(coming)}.")
    st.caption(f"{code(f'kinship plan {name}')} works out what is due now; it needs the warehouse, so no page does.")


def history(name: str, runs: pd.DataFrame) -> None:
    """All runs of the sync."""
    st.subheader("Runs", anchor=False)
    if runs.empty:
        layout.missing(
            "This sync has sent nothing yet.",
            "It has no credentials (`kinship check` with its destination says so), or nothing was due.",
        )
        return
    charts.over_time(data.frame(DAYS, name), "day", "rows", colour="outcome", kind="bar", title="rows a day", unit=",d")
    layout.table(runs.drop(columns=["withheld", "run_id"]))
    layout.download(runs, f"{name}_runs")


def page() -> None:
    layout.header("Activation", "What leaves the house: every sync, what its destination said, and what was held back.")
    standings = syncs.standings()
    totals = data.frame(TOTALS) if data.has_table("reverse_etl.sync_runs") else pd.DataFrame(columns=["sync"])
    table = overview(standings, totals)
    if table.empty:
        layout.missing(
            "There are no syncs.",
            "A sync is one file in models/activation/ (docs/reverse-etl.md); after `kinship run` it is here.",
        )
        return
    waiting = table["refused"].sum()
    layout.figures(
        [
            ("Syncs", number(len(table))),
            ("Never ran", number((table["state"] == "never").sum())),
            ("Refused and waiting", number(waiting), "Rows that are tried again."),
            ("Withheld", number(table["withheld"].sum())),
            ("Left", number(table["left"].sum())),
        ]
    )
    layout.table(table)
    layout.download(table, "syncs")
    name = str(st.selectbox("Sync", list(table["sync"]), key="sync", bind="query-params"))
    one = next((each for each in standings if each.sync.name == name), None)
    runs = data.frame(RUNS, name) if len(totals) else pd.DataFrame()
    if one:
        st.caption(about(one))
    if runs.empty:
        history(name, runs)
        return
    standing(one, runs)
    left, right = st.columns(2)
    with left:
        refused(name, one)
    with right:
        withheld(runs)
    plan(name, one, runs)
    history(name, runs)


page()
