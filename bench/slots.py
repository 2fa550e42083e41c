"""A flow platform with few slots, on loopback: python slots.py PORT SLOTS SECONDS [OTHERS [CALL]].

It starts, tells and lists runs as Gumloop does: each takes SECONDS, and beyond SLOTS a start is
refused with 429. Others hold up to OTHERS of the slots, now more, now fewer. The answer to a start
takes CALL seconds. GET /stats tells what it was asked, GET /started which events were started, and
when.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from stub import Requests

runs: dict[str, dict] = {}  # by id, the oldest first
asked = {"starts": 0, "refused": 0, "looks": 0, "lists": 0, "free": 0.0, "most": 0}
others = 0


def active(now: float) -> int:
    return sum(run["ends_at"] > now for run in runs.values())


def start(given: dict) -> tuple[int, dict]:
    now, asked["starts"] = time.time(), asked["starts"] + 1
    if active(now) + others >= slots:
        asked["refused"] += 1
        return 429, {"error": "rate_limit", "message": "too many concurrent runs"}
    run = {
        "run_id": f"run{len(runs)}",
        "flow": given["saved_item_id"],
        "created_at": now,
        "ends_at": now + seconds,
        "inputs": given,
    }
    runs[run["run_id"]] = run
    asked["most"] = max(asked["most"], active(now))
    return 200, {
        "run_id": run["run_id"],
        "saved_item_id": run["flow"],
        "workbook_id": "w",
        "url": f"http://127.0.0.1/{run['run_id']}",
    }


def look(given: dict) -> tuple[int, dict]:
    asked["looks"] += 1
    run = runs.get(given["run_id"])
    return (200, told(run)) if run else (404, {"error": "not_found", "message": "run not found"})


def newest(given: dict) -> tuple[int, dict]:
    asked["lists"] += 1
    flow = given["saved_item_id"]
    return 200, {flow: [told(run) for run in list(runs.values())[::-1] if run["flow"] == flow][:10]}


def stats(_: dict) -> tuple[int, dict]:
    now = time.time()
    return 200, asked | {
        "ended": len(runs) - active(now),
        "last_end": max((run["ends_at"] for run in runs.values()), default=0.0),
    }


def started(_: dict) -> tuple[int, dict]:
    return 200, {
        "started": [(run["inputs"]["event_id"], run["created_at"]) for run in runs.values()]
    }


def told(run: dict) -> dict:
    over = run["ends_at"] <= time.time()
    stamp = lambda at: datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")  # noqa: E731
    return {
        "run_id": run["run_id"],
        "user_id": "u",
        "state": "DONE" if over else "RUNNING",
        "outputs": run["inputs"] if over else {},
        "log": [],
        "created_ts": stamp(run["created_at"]),
        "finished_ts": stamp(run["ends_at"]) if over else None,
    }


ANSWERS = {
    "/api/v1/start_pipeline": start,
    "/api/v1/get_pl_run": look,
    "/api/v1/get_plrun_saved_item_map": newest,
    "/stats": stats,
    "/started": started,
    "/": lambda _: (200, {}),
}


class Platform(Requests):
    def take(self, request: bytes, end: int) -> None:
        parts = urlsplit(request.split(b" ", 2)[1].decode())
        given = {name: values[0] for name, values in parse_qs(parts.query).items()} | json.loads(
            request[end + 4 :] or b"{}"
        )
        status, value = ANSWERS[parts.path](given)
        payload = json.dumps(value).encode()
        head = (
            f"HTTP/1.1 {status} S\r\nContent-Type: application/json\r\nContent-Length:"
            f" {len(payload)}\r\n\r\n"
        )
        wait = call if parts.path.endswith("/start_pipeline") else 0.0
        asyncio.get_running_loop().call_later(wait, self.transport.write, head.encode() + payload)


async def come_and_go(most: int) -> None:
    """Let others take and give back slots, and add up what they leave."""
    global others  # noqa: PLW0603 - one program, one machine
    others = most
    before = time.time()
    changed = time.time()
    while True:
        await asyncio.sleep(0.02)
        now = time.time()
        asked["free"] += (slots - others) * (now - before) if runs else 0.0
        before = now
        if most and now - changed > 1.0:
            others = random.randint(0, most)
            changed = now


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Platform, "127.0.0.1", int(sys.argv[1]))
    going = asyncio.create_task(come_and_go(int(sys.argv[4]) if len(sys.argv) > 4 else 0))
    async with server:
        await server.serve_forever()
    going.cancel()


slots = int(sys.argv[2])
seconds = float(sys.argv[3])
call = float(sys.argv[5]) if len(sys.argv) > 5 else 0.0
asyncio.run(main())
