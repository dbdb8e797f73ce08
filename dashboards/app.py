"""The application: runs the page that is asked for, and says what becomes of an error on any of them.

`kinship dashboards` starts it. The pages' folder, `views/`, cannot be called `pages`: Streamlit would run a page at a
deep link by itself, past this file.
"""

import logging
import os
from pathlib import Path

import streamlit as st
from streamlit.errors import FragmentHandledException

from dashboards import data
from dashboards.menu import PAGES
from kinship.errors import KinshipError

_STYLE = """
<style>
.stMainBlockContainer { padding-top: 4.5rem; padding-bottom: 3rem; }
@media (max-width: 640px) { .stMainBlockContainer { padding-left: 1rem; padding-right: 1rem; } }
</style>
"""

# an icon of our own: Streamlit fetches a named one from its maker for the browser tab
st.set_page_config(page_title="Kinship", page_icon=str(Path(__file__).with_name("icon.svg")), layout="wide")
page = st.navigation(
    [st.Page(f"views/{file}.py", title=title, icon=icon, url_path=file) for file, title, icon in PAGES], position="top"
)
st.html(_STYLE)
try:
    data.follow()
    page.run()
except KinshipError as error:
    st.title(page.title, anchor=False)
    st.warning(str(error), icon=":material/info:")
except Exception as error:
    if os.environ.get("KINSHIP_DEBUG"):
        raise
    # the text of an unforeseen error may quote a person's data: its class alone is safe to show and to log
    kind = type(error.args[0] if isinstance(error, FragmentHandledException) else error).__name__
    logging.getLogger("dashboards").error("page %s: unexpected %s", page.url_path, kind)
    st.error(f"This page met an unexpected {kind}. With KINSHIP_DEBUG=1 the log says where.")
