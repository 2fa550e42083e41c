"""Beside others: signed events of GitHub's in, starts of a flow out, on the same stub and under the
same load, in turn.

    python bench/peers.py [--seconds 5] [--rounds 3] [--node-red FOLDER] [--n8n FOLDER [--node
    FILE]]

adnanh/webhook runs curl for each event (`apt-get install webhook curl`); Node-RED checks the
signature in a function and makes the call itself (`npm install --prefix FOLDER node-red`). Neither
keeps anything on disk. n8n (`npm install --prefix FOLDER n8n`, `--node` where it wants a newer one
than `node` is) has a webhook, a crypto, an if and a request node, as it is when it is new, and
keeps its executions in SQLite. None knows a duplicate, validates a schema or counts runs; ours does
all of that. Whoever is not there is left out.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import peer_servers
import rig
import webhook_sample
import wrk_load

# a folder, the port to listen on, the stub's
Peer = Callable[[Path, int, int], AbstractContextManager[object]]

OURS = "flowbridge"
WEBHOOK = "adnanh/webhook and curl"
NODE_RED = "Node-RED"
N8N = "n8n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    add_options(parser)
    given = parser.parse_args()
    print(rig.machine())
    peers, _ = find(given)
    rates, failures = measure_in_turn(peers, given.seconds, given.rounds)
    own = rig.median(rates[OURS]) if OURS in rates else 0.0
    for name, found in rates.items():
        span = f"{min(found):.0f} to {max(found):.0f}"
        share = f", {rig.median(found) / own:5.2f} of flowbridge's" if own else ""
        print(f"{name:25} {rig.median(found):6.0f} starts/s ({span}){share}")
    for name, failure in failures.items():
        print(f"{name:25} {failure}")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the places of others."""
    parser.add_argument("--node-red", type=Path, metavar="FOLDER")
    parser.add_argument("--n8n", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--node", default="node", metavar="FILE", help="the node that n8n is run by"
    )


def find(given: argparse.Namespace) -> tuple[dict[str, Peer], dict[str, str]]:
    """Return flowbridge and the others that are there, and for each of the rest how to get it."""
    peers: dict[str, Peer] = {OURS: peer_servers.ours}
    missing: dict[str, str] = {}
    if shutil.which("webhook") and shutil.which("curl"):
        peers[WEBHOOK] = peer_servers.webhook
    else:
        missing[WEBHOOK] = "not installed: apt-get install webhook curl"
    if given.node_red:
        peers[NODE_RED] = lambda path, port, stub: peer_servers.node_red(
            given.node_red, path, port, stub
        )
    else:
        missing[NODE_RED] = "not named: --node-red FOLDER"
    if given.n8n:
        peers[N8N] = lambda path, port, stub: peer_servers.n8n(
            given.n8n, given.node, path, port, stub
        )
    else:
        missing[N8N] = "not named: --n8n FOLDER"
    return peers, missing


def measure_in_turn(
    peers: Mapping[str, Peer], seconds: float, rounds: int
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Return the starts per second of each round, and why a peer has none: one that failed once is
    left out from then on.
    """
    rates: dict[str, list[float]] = {name: [] for name in peers}
    failures: dict[str, str] = {}
    for _ in range(rounds):
        for name, peer in peers.items():
            if name not in failures:
                try:
                    rates[name].append(measure(peer, seconds))
                except (OSError, SystemExit, subprocess.SubprocessError) as error:
                    failures[name] = f"failed: {error}"
    return {name: found for name, found in rates.items() if name not in failures}, failures


def measure(peer: Peer, seconds: float) -> float:
    """Return the starts per second, from the first request to the last start."""
    with rig.folder() as path, rig.stub(path) as stub:
        port = rig.free_port()
        script = wrk_load.write_script(path, webhook_sample.payload())
        with peer(path, port, stub):
            began = time.time()
            result = wrk_load.wrk(port, script, seconds)
            started = rig.drained(path / "starts", int(result["requests"] - result["errors"]))
            last = rig.last_start(path / "starts")
    if started == 0:
        sys.exit(
            f"it started nothing for {result['requests']:.0f} requests, of which"
            f" {result['errors']:.0f} failed"
        )
    if started < result["requests"] - result["errors"]:
        print(
            f"  {started} starts of {result['requests']:.0f} requests, {result['errors']:.0f}"
            " errors",
            file=sys.stderr,
        )
    return started / (last - began)


if __name__ == "__main__":
    main()
