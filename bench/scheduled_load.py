"""Sends events on a schedule whatever the answers take, each on a connection of its own, as senders
do.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from webhook_sample import signed_headers


def send(
    port: int,
    body: bytes,
    rate: float,
    seconds: float,
    run: str = "l",
    *,
    threads: int = 16,
    over: threading.Event | None = None,
    refused: list[str] | None = None,
    submit: Callable[[int, str], bytes] | None = None,
) -> dict[str, tuple[float, float]]:
    """Send events on schedule, until `over` is set; return (when acknowledged, how long that took
    from the scheduled time) of each.

    Their ids begin with `run`. What is not acknowledged goes to `refused`; without it that is an
    error. `submit` sends another request than GitHub's, with an id, and returns the answer.
    """
    headers = {**signed_headers(body), "Connection": "close"}

    def post_event(port: int, delivery_id: str) -> bytes:
        return post(port, body, {**headers, "X-GitHub-Delivery": delivery_id})

    send_request = submit or post_event
    waiting: SimpleQueue[tuple[int, float] | None] = SimpleQueue()
    acks: dict[str, tuple[float, float]] = {}

    def post_waiting() -> None:
        while (item := waiting.get()) is not None:
            number, due = item
            try:
                answer = json.loads(send_request(port, f"{run}-{number}"))
                acks[answer["event_id"]] = (time.time(), time.monotonic() - due)
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                if refused is None:
                    raise
                refused.append(repr(error))

    senders = [threading.Thread(target=post_waiting) for _ in range(threads)]
    for sender in senders:
        sender.start()
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        if over is not None and over.is_set():
            break
        waiting.put((number, due))
    for _ in senders:
        waiting.put(None)
    for sender in senders:
        sender.join()
    return acks


def post(port: int, body: bytes, headers: dict[str, str]) -> bytes:
    """Post an event on a connection of its own; return what was answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("POST", "/hooks/github", body, headers)
        return connection.getresponse().read()
    finally:
        connection.close()
