"""Ready-made flows of the local platform: `saved_item_id` is the name.

What a flow needs to reach the world (requests, smtplib, ssl) it imports when it runs: listing the
flows costs no memory.
"""

from __future__ import annotations

from typing import Final

from bridge.flows.function import FlowFunction
from bridge.flows.ready.basic import echo, fail, sleep
from bridge.flows.ready.csv_file import append_csv
from bridge.flows.ready.http import http_request
from bridge.flows.ready.jsonl import append_jsonl
from bridge.flows.ready.mail import send_email
from bridge.flows.ready.slack import slack_message

READY: Final[dict[str, FlowFunction]] = {
    one.name: one
    for one in (
        echo,
        fail,
        sleep,
        append_jsonl,
        append_csv,
        send_email,
        http_request,
        slack_message,
    )
}
