"""What the server writes to its log of an error: its class. Its text may quote a person's data."""

import logging
import os
from typing import Any


def name_errors_only() -> None:
    """Have every logger of this process name an error's class, and leave out its text and its traceback.

    Streamlit logs by itself what a fragment or a callback raises, before a page sees it. With KINSHIP_DEBUG the log
    is as it was.
    """
    if os.environ.get("KINSHIP_DEBUG"):
        return
    make = logging.getLogRecordFactory()

    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made = make(*args, **kwargs)
        if isinstance(made.args, tuple):
            made.args = tuple(type(one).__name__ if isinstance(one, BaseException) else one for one in made.args)
        if made.exc_info:
            kind = made.exc_info[0]
            made.msg, made.args = f"{made.getMessage()}: {kind.__name__ if kind else 'no error'}", ()
            made.exc_info = None
        return made

    logging.setLogRecordFactory(record)
