"""Commands that are easily confused, each with the case it is for."""

from __future__ import annotations

from typing import Final

#: Question -> command -> when to use it. The help of each command prints the table it is in.
COMMAND_CHOICES: Final = {
    "What starts it again?": {
        "retry": "The flow or platform is fixed: send the same inputs again.",
        "replay": "routes.yaml is fixed: plan the event again.",
        "resolve": "A delivery stays unknown: decide whether its run started.",
        "rejects readmit": "The secret is fixed: verify refused webhooks again.",
        "spam release": "A submission is not spam: plan it for the first time.",
    },
    "What tells whether it is right?": {
        "check": "Are routes.yaml, secrets, flows.py and the database usable?",
        "doctor": "Does the running bridge accept valid requests and no forgeries?",
        "test": "What would an edited routes.yaml change for past events?",
        "shadow": "What would a `mode: shadow` route have sent up to now?",
        "explain": "Why does each route match one event, or not?",
    },
}


def write_choices(command: str) -> str:
    """Return the table of a command and those like it, for the end of its help."""
    for question, choices in COMMAND_CHOICES.items():
        if command in choices:
            width = max(map(len, choices))
            rows = (f"  {name:{width}}  {purpose}" for name, purpose in choices.items())
            return "\n".join(("\b", question, *rows))
    raise KeyError(command)
