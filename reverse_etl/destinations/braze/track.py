"""`POST /users/track`: attributes and events, with an answer that has to be read row by row.

200 and 201 mean queued. Objects that were refused are in `errors` with the array they stood in and their place in it
(`input_array`, `index`); the others are processed. When all are refused the status is 400, with the same list. The
text of an error quotes values: only the words we look for in it are used.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal

from reverse_etl.destination import Outcome, Row
from reverse_etl.destinations.braze.client import Client
from reverse_etl.errors import Rejected
from reverse_etl.http import body

_LONGEST = 255
"""Characters of a text value; a longer one would be cut without a word."""
_WORDS = (
    ("blacklisted", "blocked_id"),
    ("blocklisted", "blocked_id"),
    ("external_id", "invalid_external_id"),
    ("email", "invalid_email"),
    ("phone", "invalid_phone"),
    ("time", "invalid_time"),
    ("name", "invalid_name"),
)


async def track(
    client: Client, kind: Literal["attributes", "events"], records: Sequence[tuple[Row, Mapping[str, Any]]]
) -> AsyncIterator[Outcome]:
    """Send objects and say what became of each. A row of which the answer says nothing gets no outcome."""
    sendable = []
    for row, values in records:
        if too_long(values):
            yield Outcome(row.key, "rejected", error_class="too_long")
        else:
            sendable.append((row, values))
    if not sendable:
        return
    content = {kind: [without_nulls_inside(values) for _, values in sendable]}
    response = await client.call("POST", "/users/track", json=content, expect=(400,))
    answer = body(response)
    refused: dict[int, str] = {}
    unplaced = 0
    for error in answer.get("errors") or ():
        place = error.get("index") if isinstance(error, dict) else None
        if isinstance(place, int) and error.get("input_array") == kind and place < len(sendable):
            refused[place] = _word(str(error.get("type", "")))
        else:
            unplaced += 1
    for place, word in refused.items():
        yield Outcome(sendable[place][0].key, "rejected", error_class=word)
    if response.status_code == 400:
        if not refused:
            raise Rejected("bad_request")
        return
    accepted = len(sendable) - len(refused)
    processed = answer.get(f"{kind}_processed")
    if unplaced or (isinstance(processed, int) and processed < accepted):
        # some of the others were not taken, and nobody says which: the engine halves the batch until it is clear
        raise Rejected("not_processed")
    for place, (row, _) in enumerate(sendable):
        if place not in refused:
            yield Outcome(row.key, "accepted", destination_id=row.destination_id)


def too_long(value: Any) -> bool:
    """Whether a text in it is longer than Braze keeps."""
    if isinstance(value, Mapping):
        return any(too_long(part) for part in value.values())
    if isinstance(value, list):
        return any(too_long(part) for part in value)
    return isinstance(value, str) and len(value) > _LONGEST


def without_nulls_inside(values: Mapping[str, Any]) -> dict[str, Any]:
    """One NULL inside a nested attribute, and Braze drops the whole attribute without a word: leave them out there."""
    return {name: _dense(value) if isinstance(value, (Mapping, list)) else value for name, value in values.items()}


def _dense(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _dense(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_dense(part) for part in value if part is not None]
    return value


def _word(text: str) -> str:
    lower = text.lower()
    return next((word for sign, word in _WORDS if sign in lower), "invalid")
