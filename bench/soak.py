"""Does memory stay flat? Minutes of a steady load, and the proportional set size of everything
`serve` starts, again and again.

    python bench/soak.py [--minutes 10] [--rate 50]

Signed events of 9 KB, a hundredth of them forged; once a second a form whose flow is a local run.
Exit code 1 where the last quarter takes more than a twentieth more than the second.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import urllib.error
from urllib.request import Request, urlopen

import rig
import scheduled_load
import webhook_sample

EVERY = 20.0  # seconds
GROWTH = 1.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=50.0)
    given = parser.parse_args()
    print(rig.machine())
    with rig.folder() as path, rig.stub(path) as stub_port:
        port = rig.free_port()
        body = webhook_sample.payload()
        stop = threading.Event()
        with rig.flowbridge(path, routes(stub_port), port) as run:
            others = threading.Thread(
                target=beside, args=(port, body, given.rate, stop), daemon=True
            )
            others.start()
            sizes = []
            acknowledged = 0
            for step in range(int(given.minutes * 60 / EVERY)):
                acknowledged += len(
                    scheduled_load.send(port, body, given.rate, EVERY, run=str(step))
                )
                sizes.append(rig.pss(run.pid))
                said = (
                    f"{(step + 1) * EVERY / 60:5.1f} min  {acknowledged:7} events "
                    f" {sizes[-1]:6.1f} MB"
                )
                print(said, f" {len(rig.tree(run.pid))} processes", flush=True)
            stop.set()
            others.join()
            started = rig.drained(path / "starts", acknowledged)
    quarter = max(1, len(sizes) // 4)
    early = rig.median(sizes[quarter : 2 * quarter] or sizes)
    late = rig.median(sizes[-quarter:])
    print(
        f"{started} of {acknowledged} started; {early:.1f} MB in the second quarter, {late:.1f} MB"
        f" in the last: {late / early:.3f}"
    )
    sys.exit(0 if started == acknowledged and late <= GROWTH * early else 1)


def routes(stub_port: int) -> str:
    document = json.loads(webhook_sample.routes(f"http://127.0.0.1:{stub_port}/start"))
    document["platforms"]["local"] = {"type": "local"}
    document["sources"]["contact"] = {"provider": "form", "rate": "600/min and 600/min per address"}
    document["routes"].append(
        {"name": "form", "on": "contact", "inputs": {"said": "${form.said}"}, "flow": "local/echo"}
    )
    return json.dumps(document)


def beside(port: int, body: bytes, rate: float, stop: threading.Event) -> None:
    """Post a form, and forgeries, until it is to end."""
    number = 0
    while not stop.wait(1):
        number += 1
        forged = [
            post(
                port,
                "github",
                body,
                {"X-GitHub-Event": "issues", "X-Hub-Signature-256": f"sha256={number:064x}"},
            )
            for _ in range(max(1, int(rate / 100)))
        ]
        form = post(
            port,
            "contact",
            f"said=number+{number}".encode(),
            {"Content-Type": "application/x-www-form-urlencoded"},
        )
        if {*forged} != {401} or form >= 400:
            print(f"answered {forged} and {form}")


def post(port: int, source: str, body: bytes, headers: dict[str, str]) -> int:
    request = Request(
        f"http://127.0.0.1:{port}/hooks/{source}", body, {"Accept": "application/json", **headers}
    )
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


if __name__ == "__main__":
    main()
