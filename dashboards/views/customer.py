"""Find a person, and see all there is about them."""

import streamlit as st

from dashboards import data, layout

layout.header("Customer", "One person: who they are, why we think so, and what they did.")
st.dataframe(data.frame("select customer_id, full_name, email from customers.customers order by customer_id limit 20"))
