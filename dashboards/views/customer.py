"""Find a person, and see all there is about them. `/customer?q=<anything they are known by>` is a deep link."""

from collections.abc import Callable

import streamlit as st

from dashboards import access, data, layout, search
from dashboards.customer import attributes, audiences, head, identity, orders, predictions, tickets, timeline

PAGE = "customer"
PER_PAGE = 10

TABS: dict[str, Callable[[str], None]] = {
    "Profile": attributes.show,
    "Timeline": timeline.show,
    "Orders": orders.show,
    "Tickets": tickets.show,
    "Identity": identity.show,
    "Predictions": predictions.show,
    "Segments": audiences.show_segments,
    "Consents": audiences.show_consents,
    "Sent": audiences.show_sent,
}


def ask() -> str:
    """The search box. Returns what is asked: what was typed last, or what the link says."""
    linked = str(st.query_params.get("q", ""))
    st.session_state.setdefault("asked", linked[: search.LONGEST])
    with st.form("search", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Find a person",
            key="asked",
            placeholder="E-mail, phone, name, customer id, order number, record id …",
            autocomplete="off",
        )
        if st.form_submit_button("Find", type="primary", icon=":material/search:"):
            linked = st.session_state["asked"]
            # one more than may be: the message is then about all of it
            st.query_params["q"] = linked[: search.LONGEST + 1]
    return linked


def choose(found: search.Found) -> None:
    """Several people: a list with what tells them apart."""
    more = f"; the first {len(found.customers)} are listed, more words find fewer" if found.count > search.MOST else ""
    st.subheader(f"{found.count:,} people by {found.by}{more}", anchor=False)
    pages = -(-len(found.customers) // PER_PAGE)
    page = st.pagination(pages, key="hits") if pages > 1 else 1
    shown = found.customers[(page - 1) * PER_PAGE : page * PER_PAGE]
    access.look(shown, f"{PAGE} search")
    people = data.rows(
        """
        select
            customer_id, full_name, email, phone, street, city, postal_code, company_name, birth_date,
            lifecycle_stage, order_count, revenue_eur, last_order_at, first_seen_at, record_count
        from customers.customers where customer_id in (select unnest(?))
        """,
        list(shown),
    )
    for person in sorted(people, key=lambda person: shown.index(person["customer_id"])):
        with st.container(border=True):
            st.markdown(f"**{layout.plain(head.name(person))}**")
            st.text(
                head.contact(person, "email", "phone", "company_name", "street", "postal_code", "city", "birth_date")
            )
            last = f", last {person['last_order_at']:%Y-%m-%d}" if person["last_order_at"] else ""
            st.text(
                f"{layout.words(person['lifecycle_stage'] or 'no stage')} · {person['order_count'] or 0} orders{last}"
                f" · {layout.euro(person['revenue_eur'] or 0)} · {person['record_count']} records"
                f" since {person['first_seen_at']:%Y-%m-%d}"
            )
            st.button(
                f"Open {person['customer_id'][:8]}",
                key=f"open_{person['customer_id']}",
                on_click=lambda chosen: st.query_params.update(q=chosen),
                args=(person["customer_id"],),
            )


def profile(customer_id: str) -> None:
    """One person: the head, and the open tab."""
    access.look([customer_id], PAGE)
    if not head.show(customer_id):
        layout.missing("This person is not among the customers of this publication.")
        return
    tabs = st.tabs(list(TABS), key="tab", on_change="rerun", bind="query-params")
    for tab, show in zip(tabs, TABS.values(), strict=True):
        if tab.open:
            with tab:
                show(customer_id)


layout.header("Customer", "One person: who they are, why we think so, and what they did.")
asked = ask()
result = search.find(asked)
if result.problem:
    st.warning(result.problem)
elif not asked.strip():
    layout.missing("Type anything a person is known by.", "Several people may have one name: a list tells them apart.")
elif result.count == 0:
    st.info("Nobody is known by that.", icon=":material/person_off:")
elif result.count == 1:
    (one,) = result.customers
    if result.redirected:
        st.info(f"{layout.plain(asked.strip())} was merged into this person, whose id is {one}.")
    elif result.by != "customer id":
        # an address leads to a page by an id, which the browser's history may keep; what was typed may be personal
        st.query_params["q"] = one
    profile(one)
else:
    choose(result)
