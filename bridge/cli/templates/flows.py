"""Flows of the local platform. The parameters are a flow's inputs; the mapping that it returns
holds its outputs.

flowbridge reloads this file within two seconds. There are also ready-made flows: echo, append_csv,
append_jsonl, send_email, slack_message and http_request (`flowbridge flows list` lists them,
`flowbridge flows inputs local/send_email` their inputs). send_email is set up in .env.
"""

from __future__ import annotations

from bridge.flows import flow, log

URGENT = ("crash", "data loss", "down", "outage", "security", "urgent")


@flow
def triage(title: str, author: str = "someone", text: str = "") -> dict[str, object]:
    """Says how urgent an issue sounds, and why."""
    said = f"{title} {text}".lower()
    urgent_words = [word for word in URGENT if word in said]
    log(f"looked for {len(URGENT)} words in {len(said)} characters")
    return {
        "priority": "high" if urgent_words else "normal",
        "because": urgent_words,
        "summary": f"{author}: {title[:80]}",
    }


@flow
def receipt(total: str, email: str = "", number: str = "") -> dict[str, object]:
    """Writes the line of a ledger for a payment."""
    return {
        "to": email,
        "line": f"Received {total} for invoice {number or '(no number)'}. Thank you.",
    }
