"""Catalog of the ready-made flows: `saved_item_id` is the name.

A flow imports its network libraries (requests, smtplib, ssl) when it runs, so that listing the
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

READY_FLOWS: Final[dict[str, FlowFunction]] = {
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
