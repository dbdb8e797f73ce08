"""Identity: who is who, how sound that is, and what a person should decide."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from dashboards import charts, data, layout, review
from dashboards.customer.identity import REFUSALS
from dashboards.layout import plain
from dashboards.review import Asked, Desk
from dashboards.words import number, percent
from kinship.errors import KinshipError
from kinship.identity import review as queue
from kinship.identity.review import Decision, Question

VIEWS = ("Health", "Review", "Quarantine", "Refused links")
LISTED = 200
"""Questions, people and values that a table shows; its caption says of how many."""

SIZES = ("1", "2", "3 to 5", "6 to 10", "11 to 25", "26 to 100", "over 100")

FIGURES = """
select
    (select count(*) from identity.identity_health) as people,
    (select coalesce(sum(record_count), 0) from identity.identity_health) as records,
    (select coalesce(max(record_count), 0) from identity.identity_health) as largest,
    (select count(*) from identity.identity_review_queue) as questions,
    (select count(*) from identity.identity_quarantine) as quarantined
"""

GRADES = """
select
    grade,
    count(*) as people,
    cast(sum(record_count) as bigint) as records,
    count(*) filter (where has_conflict) as in_conflict,
    min(weakest_weight) as weakest_bridge,
    median(density) as median_density
from identity.identity_health
group by grade
order by grade
"""

CLUSTERS = """
select
    case
        when record_count <= 2 then cast(record_count as varchar)
        when record_count <= 5 then '3 to 5'
        when record_count <= 10 then '6 to 10'
        when record_count <= 25 then '11 to 25'
        when record_count <= 100 then '26 to 100'
        else 'over 100'
    end as size,
    grade,
    count(*) as people,
    cast(sum(record_count) as bigint) as records
from identity.identity_health
group by size, grade
order by min(record_count), grade
"""

WORST = """
select customer_id, grade, record_count, source_count, given_name_count, birth_date_count, weakest_weight, density
from identity.identity_health
where grade <> 'A'
order by grade desc, record_count desc, customer_id
limit ?
"""

DAYS = """
select cast(occurred_at as date) as day, event_type as event, count(*) as people
from identity.identity_events
group by day, event
order by day, event
"""

QUARANTINE = """
select
    identifier_type, reason, count(*) as identifiers, cast(sum(record_count) as bigint) as records,
    max(name_count) as most_names, max(account_count) as most_accounts
from identity.identity_quarantine
group by identifier_type, reason
order by identifiers desc, identifier_type, reason
"""

QUARANTINED = """
select identifier_type, identifier_value, reason, record_count, name_count, account_count, email_count
from identity.identity_quarantine
order by record_count desc, identifier_type, identifier_value
limit ?
"""

REFUSED = """
select refusal, rule, count(*) as links, max(weight) as strongest
from identity.identity_edges
where refusal is not null
group by refusal, rule
order by links desc, refusal, rule
"""

REASONS = "select question, reason, count(*) as questions from identity.identity_review_queue group by all order by all"

MEANING = {
    "A": "sound",
    "B": "hangs on a bridge weaker than the strict level",
    "C": "holds more given names or birth dates than one person",
    "D": "both: a weak bridge, and a contradiction",
}


HEADINGS = {
    "grade": "Grade",
    "meaning": "Meaning",
    "people": "People",
    "records": "Records",
    "in_conflict": "In contradiction",
    "weakest_bridge": st.column_config.NumberColumn("Weakest bridge", format="%.1f", help="In bits."),
    "median_density": st.column_config.NumberColumn(
        "Density", format="%.2f", help="Median share of a person's pairs of records with evidence between them."
    ),
    "customer_id": "Person",
    "record_count": "Records",
    "source_count": "Sources",
    "given_name_count": "Given names",
    "birth_date_count": "Birth dates",
    "weakest_weight": st.column_config.NumberColumn("Weakest bridge", format="%.1f", help="In bits."),
    "density": st.column_config.NumberColumn("Density", format="%.2f", help="Share of pairs of records with evidence."),
    "identifier_type": "Kind",
    "identifier_value": "Value",
    "reason": "Reason",
    "identifiers": "Values",
    "most_names": st.column_config.NumberColumn("Most names", help="Beside one value."),
    "most_accounts": st.column_config.NumberColumn("Most accounts", help="Beside one value."),
    "name_count": "Names",
    "account_count": "Accounts",
    "email_count": "E-mail addresses",
    "refusal": "Refusal",
    "rule": "Rule",
    "links": "Links",
    "strongest": st.column_config.NumberColumn("Strongest", format="%.1f", help="In bits."),
    "question": "Question",
    "questions": "Questions",
    "probability": st.column_config.NumberColumn("Likely", format="percent"),
    "consequence": st.column_config.NumberColumn("Consequence", help="Records that the answer moves, by likelihood."),
    "review_id": "Id",
    "left_source": "Left source",
    "right_source": "Right source",
    "left_record_id": "Left record",
    "right_record_id": "Right record",
    "left_record_count": "Left records",
    "right_record_count": "Right records",
    "left_customer_id": "Left person",
    "right_customer_id": "Right person",
    "detail": "Comparisons",
    "last_seen_at": st.column_config.DatetimeColumn("Last seen", format="YYYY-MM-DD"),
    "comparison": "Compared",
    "result": "Result",
    "bits": st.column_config.NumberColumn("Bits", format="%+.1f"),
    "attribute": "What",
    "left": "Left",
    "right": "Right",
    "together": "Together",
    "answer": "Answer",
    "state": "State",
    "by": "By",
    "on": "On",
    "until": "Until",
    "why": "Why",
}
"""What the columns of this page's tables are called."""


def meaning_of(refusal: str) -> str:
    """Why a link does not count, in words."""
    kind, limit, of = refusal.partition(":")
    return f"one person would have too many of {of}" if limit and kind == "limit" else REFUSALS.get(refusal, "")


def _listed(frame: pd.DataFrame, name: str) -> None:
    """A table under this page's headings, and the rows as `<name>.csv` under the warehouse's."""
    layout.table(frame, columns=HEADINGS)
    layout.download(frame, name)


def health() -> None:
    """People by size and grade, the doubtful ones, and what happened to ids."""
    left, right = st.columns(2)
    clusters = data.frame(CLUSTERS)
    with left:
        st.subheader("People by records", anchor=False)
        order = [size for size in SIZES if size in set(clusters["size"])]
        clusters["size"] = pd.Categorical(clusters["size"], categories=order, ordered=True)
        clusters = clusters.sort_values(["size", "grade"]).astype({"size": str})
        charts.bars(clusters, "size", "people", colour="grade", title="people with so many records", unit=",d")
        layout.download(clusters, "identity_clusters")
    with right:
        st.subheader("Grades", anchor=False)
        grades = data.frame(GRADES)
        grades.insert(1, "meaning", grades["grade"].map(MEANING))
        _listed(grades, "identity_grades")
    st.subheader("Ids created, merged and split", anchor=False)
    days = data.frame(DAYS)
    if days.empty:
        layout.missing("Nothing has happened to any id yet.")
    else:
        charts.over_time(days, "day", "people", colour="event", kind="bar", title="events a day", unit=",d")
        layout.download(days, "identity_events")
    st.subheader("People to look at", anchor=False)
    worst = data.frame(WORST, LISTED)
    if worst.empty:
        st.caption("Every person is sound.")
        return
    doubtful = int(grades.loc[grades["grade"] != "A", "people"].sum())
    st.caption(f"{number(len(worst))} of {number(doubtful)} people below grade A, the worst and largest first")
    _listed(worst, "identity_people_to_look_at")


def _counted(found: pd.DataFrame, kind: str, count: str, colour: str, title: str, name: str) -> None:
    """Counts by kind, as bars and as a list."""
    charts.bars(found, kind, count, colour=colour, title=title, unit=",d")
    _listed(found, name)


def quarantine() -> None:
    """Values that identify nobody."""
    by_reason = data.frame(QUARANTINE)
    if by_reason.empty:
        layout.missing("No identifier is in quarantine.")
        return
    st.caption("Values that too many people share identify nobody: they make no link (docs/identity.md).")
    _counted(by_reason, "identifier_type", "identifiers", "reason", "values", "identity_quarantine_by_reason")
    values = data.frame(QUARANTINED, LISTED)
    st.caption(f"{number(len(values))} of {number(by_reason['identifiers'].sum())} values, those of most records first")
    _listed(values, "identity_quarantine")


def refused() -> None:
    """Evidence that does not count."""
    links = data.frame(REFUSED)
    if links.empty:
        layout.missing("No link was refused.")
        return
    links.insert(1, "meaning", links["refusal"].map(meaning_of))
    _counted(links, "refusal", "links", "rule", "links that do not count", "identity_refused_links")


def questions() -> None:
    """The review queue: a list, the question in hand, and what was decided."""
    reasons = data.frame(REASONS)
    desk = review.desk()
    if desk.why_not:
        st.info(desk.why_not, icon=":material/lock:")
    if reasons.empty:
        layout.missing("No question is open.")
    elif data.may_look_up():
        _ask_first(reasons, desk)
    else:
        layout.table(reasons, columns=HEADINGS)
    _decided(desk)


def _ask_first(reasons: pd.DataFrame, desk: Desk) -> None:
    with st.container(horizontal=True):
        kind = st.selectbox("Question", ["", "merge", "split"], key="question", format_func=_kind, width=240)
        of_kind = reasons if not kind else reasons[reasons["question"] == kind]
        found = ["", *sorted(set(of_kind["reason"]))]
        reason = st.selectbox("Reason", found, key="reason", format_func=lambda why: why or "any", width=240)
    chosen = of_kind if not reason else of_kind[of_kind["reason"] == reason]
    listed = review.open_questions(kind or "", reason or "", LISTED)
    st.caption(f"{number(len(listed))} of {number(chosen['questions'].sum())} questions, most consequential first")
    _in_hand(list(listed["review_id"]), desk)
    with st.expander("The list"):
        shown = listed.assign(review_id=listed["review_id"].str.slice(0, review.SHOWN_OF_ID))
        _listed(shown, "identity_review_queue")


def _kind(kind: str) -> str:
    return {"": "any", "merge": "two people who may be one", "split": "one person who may be two"}[kind]


def _in_hand(listed: list[str], desk: Desk) -> None:
    later: list[str] = st.session_state.setdefault("identity_later", [])
    asked = st.query_params.get("review", "")
    waiting = [one for one in listed if one not in later]
    review_id = asked or next(iter(waiting), next(iter(later), ""))
    found = review.find(review_id) if review_id else None
    if found is None:
        if asked:
            st.warning("That question is answered, or the last run no longer asks it.", icon=":material/task_alt:")
            st.button("On to the next", on_click=_go_on)
        return
    with st.container(border=True):
        ask(found, desk)


def ask(asked: Asked, desk: Desk) -> None:
    """One question, with what speaks for and against, and the buttons."""
    question = asked.question
    st.markdown("**Are these two people one?**" if question.is_merge else "**Is this one person two?**")
    counts = (
        f"{number(question.left_records)} and {number(question.right_records)} records"
        if question.is_merge
        else f"{number(question.left_records)} records"
    )
    st.caption(
        f"{plain(review.named(question.left))} and {plain(review.named(question.right))}  \n{plain(question.rule)},"
        f" {question.probability:.1%} likely · {plain(question.reason)} · {counts}"
    )
    told = review.comparisons(question.detail)
    if told:
        frame = pd.DataFrame([{"comparison": one.attribute, "result": one.how, "bits": one.bits} for one in told])
        layout.table(frame, columns=HEADINGS)
    else:
        st.caption(f"The two records share one {plain(question.rule)}.")
    layout.table(review.sides(asked), columns=HEADINGS, height="content")
    may = not desk.why_not
    if may and not data.is_unmasked() and review.needs_values(question):
        st.info(
            "Some values here are nearly the same, or contradict each other: that is a matter of looking at them. "
            "A sign-in that may see personal data shows them here; `kinship review` asks the same questions.",
            icon=":material/visibility_off:",
        )
        may = False
    _buttons(question, desk, may)


def _buttons(question: Question, desk: Desk, may: bool) -> None:
    key = question.review_id
    if may and not desk.is_named:
        st.session_state.setdefault("identity_author", desk.author)
        st.text_input("Who decides", key="identity_author")
    elif may:
        st.caption(f"Decided by {plain(desk.author)}")
    st.text_input("Why", key=f"why_{key}", disabled=not may, placeholder="kept with the decision")
    with st.container(horizontal=True):
        for label, answer, icon in (
            ("Same person", "same", ":material/merge:"),
            ("Different people", "different", ":material/call_split:"),
        ):
            # a callback is called though the question is gone by the next run of the page
            st.button(
                label, key=f"{answer}_{key}", icon=icon, disabled=not may, on_click=_answer, args=(question, answer)
            )
        st.button("Later", key=f"later_{key}", icon=":material/schedule:", on_click=_put_off, args=(key,))


def _answer(question: Question, answer: str) -> None:
    desk = review.desk()
    if desk.why_not:
        return
    author = desk.author if desk.is_named else str(st.session_state.get("identity_author", ""))
    reason = str(st.session_state.get(f"why_{question.review_id}", ""))
    if not author.strip() or not reason.strip():
        _say("warning", "A decision needs a name and a reason: both are kept with it.")
    elif _try(lambda: queue.decide(question, answer, author, reason), "Decided"):
        _put_off(question.review_id)


def _take_back(decision: Decision) -> None:
    if not review.desk().why_not:
        _try(lambda: queue.undo(decision.left, decision.right), "Taken back")


def _try(work: Callable[[], object], done: str) -> bool:
    try:
        work()
    except queue.AlreadyDecided as error:
        _say("warning", f"{error}: nothing was changed.")
    except (KinshipError, OSError) as error:
        _say("error", f"Nothing was changed: {error}")
        return False
    else:
        _say("success", f"{done}: the next `kinship run` builds with it.")
    return True


def _say(how: str, what: str) -> None:
    st.session_state["identity_said"] = (how, what)


def _put_off(review_id: str) -> None:
    later: list[str] = st.session_state.setdefault("identity_later", [])
    st.session_state["identity_later"] = [*(one for one in later if one != review_id), review_id]
    _go_on()


def _go_on() -> None:
    st.query_params.pop("review", None)


def _decided(desk: Desk) -> None:
    st.subheader("Decided", anchor=False)
    decisions = queue.decisions()
    if not decisions:
        st.caption("Nobody has decided anything yet.")
        return
    frame = pd.DataFrame(
        [
            {
                "answer": one.answer,
                "left": review.named(one.left),
                "right": review.named(one.right),
                "by": one.author,
                "on": one.decided_on,
                "until": one.expires_on or "for good",
                "why": one.reason if data.is_unmasked() else "***",
            }
            for one in decisions
        ]
    )
    if data.may_look_up():
        frame.insert(1, "state", review.standing_of(decisions))
    frame = frame.iloc[::-1]
    _listed(frame, "identity_decisions")
    if desk.why_not:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Take back",
            list(reversed(range(len(decisions)))),
            format_func=lambda place: _line(place + 1, decisions[place]),
            index=None,
            placeholder="a decision",
            key="identity_take_back",
        )
        if chosen is not None:
            st.button("Take back", icon=":material/undo:", on_click=_take_back, args=(decisions[chosen],))


def _line(place: int, one: Decision) -> str:
    return (
        f"{place}. {one.answer}: {review.named(one.left)} and {review.named(one.right)}, {one.author} {one.decided_on}"
    )


def page() -> None:
    layout.header("Identity", "Who is who, how sound that is, and what a person should decide.")
    if not data.has_table("identity.identity_health"):
        layout.missing("The publication holds no people.", "`kinship run` builds and publishes them.")
        return
    row = data.frame(FIGURES).iloc[0]
    grades = data.frame(GRADES).set_index("grade")["people"]
    layout.figures(
        [
            ("People", number(row["people"])),
            ("Records", number(row["records"]), f"{row['records'] / row['people']:.1f} a person."),
            ("Largest", number(row["largest"]), "Records of the largest person."),
            ("Sound", percent(grades.get("A", 0), row["people"]), "Share of people of grade A."),
            ("In contradiction", number(grades.get("C", 0) + grades.get("D", 0)), "Grades C and D."),
            ("In quarantine", number(row["quarantined"]), "Values that identify nobody."),
            ("Questions", number(row["questions"]), "What a person should decide."),
        ]
    )
    if said := st.session_state.pop("identity_said", None):
        {"success": st.success, "warning": st.warning, "error": st.error}[said[0]](plain(said[1]))
    default = "Review" if "review" in st.query_params else "Health"
    view = st.segmented_control(
        "Show", VIEWS, key="view", default=default, bind="query-params", required=True, label_visibility="collapsed"
    )
    {"Review": questions, "Quarantine": quarantine, "Refused links": refused}.get(str(view), health)()


page()
