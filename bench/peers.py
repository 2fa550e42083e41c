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
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import rig

# a folder, the port to listen on, the stub's
Peer = Callable[[Path, int, int], AbstractContextManager[object]]

OURS = "flowbridge"
WEBHOOK = "adnanh/webhook and curl"
NODE_RED = "Node-RED"
N8N = "n8n"

FLOW = """
const sent = Buffer.from(msg.req.headers['x-hub-signature-256'] || '');
const made = Buffer.from('sha256=' + crypto.createHmac('sha256', SECRET).update(msg.payload).digest('hex'));
if (sent.length !== made.length || !crypto.timingSafeEqual(sent, made)) { msg.statusCode = 401; return [msg, null]; }
const body = JSON.parse(msg.payload), id = msg.req.headers['x-github-delivery'];
msg.payload = {title: body.issue.title, number: body.issue.number, labels: body.issue.labels.map(one => one.name).join(', '),
               repository: body.repository.full_name, event_id: id};
msg.statusCode = 202;
msg.headers = {'content-type': 'application/json'};
return [msg, {payload: msg.payload, headers: {'content-type': 'application/json'}}];
"""


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
    peers: dict[str, Peer] = {OURS: ours}
    missing: dict[str, str] = {}
    if shutil.which("webhook") and shutil.which("curl"):
        peers[WEBHOOK] = webhook
    else:
        missing[WEBHOOK] = "not installed: apt-get install webhook curl"
    if given.node_red:
        peers[NODE_RED] = lambda path, port, stub: node_red(given.node_red, path, port, stub)
    else:
        missing[NODE_RED] = "not named: --node-red FOLDER"
    if given.n8n:
        peers[N8N] = lambda path, port, stub: n8n(given.n8n, given.node, path, port, stub)
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
        script = rig.lua(path, rig.payload())
        with peer(path, port, stub):
            began = time.time()
            result = rig.wrk(port, script, seconds)
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


def ours(path: Path, port: int, stub: int) -> AbstractContextManager[object]:
    return rig.flowbridge(path, rig.routes(f"http://127.0.0.1:{stub}/start"), port)


@contextlib.contextmanager
def webhook(path: Path, port: int, stub: int) -> Iterator[object]:
    start = path / "start.sh"
    start.write_text(
        "#!/bin/sh\n"
        'exec curl -s -o /dev/null -H "content-type: application/json"'
        f" http://127.0.0.1:{stub}/start "
        '-d "{\\"event_id\\":\\"$1\\",\\"title\\":\\"$2\\",\\"number\\":$3}"\n'
    )
    start.chmod(0o755)
    taken = [
        ("header", "X-GitHub-Delivery"),
        ("payload", "issue.title"),
        ("payload", "issue.number"),
    ]
    signed = {
        "type": "payload-hmac-sha256",
        "secret": rig.SECRET,
        "parameter": {"source": "header", "name": "X-Hub-Signature-256"},
    }
    hook = {
        "id": "github",
        "execute-command": str(start),
        "trigger-rule": {"match": signed},
        "pass-arguments-to-command": [{"source": source, "name": name} for source, name in taken],
    }
    (path / "hooks.json").write_text(json.dumps([hook]))
    command = [
        "webhook",
        "-hooks",
        str(path / "hooks.json"),
        "-ip",
        "127.0.0.1",
        "-port",
        str(port),
    ]
    with rig.process(command, f"http://127.0.0.1:{port}/") as run:
        yield run


@contextlib.contextmanager
def node_red(installed: Path, path: Path, port: int, stub: int) -> Iterator[object]:
    code = f"const SECRET = {json.dumps(rig.SECRET)};\nconst crypto = global.get('crypto');\n{FLOW}"
    common = {"z": "tab", "x": 0, "y": 0}
    flows = [
        {"id": "tab", "type": "tab", "label": "bench"},
        {
            **common,
            "id": "in",
            "type": "http in",
            "url": "/hooks/github",
            "method": "post",
            "skipBodyParsing": True,
            "wires": [["check"]],
        },
        {
            **common,
            "id": "check",
            "type": "function",
            "func": code,
            "outputs": 2,
            "wires": [["out"], ["start"]],
        },
        {**common, "id": "out", "type": "http response", "wires": []},
        {
            **common,
            "id": "start",
            "type": "http request",
            "method": "POST",
            "url": f"http://127.0.0.1:{stub}/start",
            "ret": "txt",
            "persist": True,
            "wires": [[]],
        },
        {
            **common,
            "id": "up",
            "type": "http in",
            "url": "/up",
            "method": "get",
            "wires": [["out"]],
        },
    ]
    (path / "flows.json").write_text(json.dumps(flows))
    (path / "settings.js").write_text(
        "module.exports = {flowFile: 'flows.json', httpAdminRoot: false, uiHost: '127.0.0.1',"
        " apiMaxLength: '5mb', functionGlobalContext: {crypto: require('crypto')}, logging:"
        " {console: {level: 'error'}}};"
    )
    program = installed / "node_modules" / "node-red" / "red.js"
    command = [
        "node",
        str(program),
        "--userDir",
        str(path),
        "--settings",
        str(path / "settings.js"),
        "--port",
        str(port),
    ]
    with rig.process(command, f"http://127.0.0.1:{port}/up") as run:
        yield run


@contextlib.contextmanager
def n8n(installed: Path, node: str, path: Path, port: int, stub: int) -> Iterator[object]:
    fields = (
        "event_id: $('in').item.json.headers['x-github-delivery'], title:"
        " $('in').item.json.body.issue.title"
    )
    signature = {
        "leftValue": "={{ 'sha256=' + $json.hmac }}",
        "rightValue": "={{ $json.headers['x-hub-signature-256'] }}",
        "operator": {"type": "string", "operation": "equals"},
    }
    parts: dict[str, tuple[str, float, dict[str, Any]]] = {
        "in": (
            "webhook",
            2,
            {
                "httpMethod": "POST",
                "path": "github",
                "responseMode": "onReceived",
                "options": {"rawBody": True},
            },
        ),
        "check": (
            "crypto",
            1,
            {
                "action": "hmac",
                "binaryData": True,
                "type": "SHA256",
                "dataPropertyName": "hmac",
                "secret": rig.SECRET,
                "encoding": "hex",
            },
        ),
        "same": ("if", 2, {"conditions": {"combinator": "and", "conditions": [signature]}}),
        "start": (
            "httpRequest",
            4.2,
            {
                "method": "POST",
                "url": f"http://127.0.0.1:{stub}/start",
                "sendBody": True,
                "specifyBody": "json",
                "jsonBody": f"={{{{ JSON.stringify({{{fields}}}) }}}}",
            },
        ),
        "up": ("webhook", 2, {"path": "up", "responseMode": "onReceived"}),
    }
    nodes = [
        {
            "id": name,
            "name": name,
            "type": f"n8n-nodes-base.{kind}",
            "typeVersion": version,
            "position": [0, 0],
            "parameters": parameters,
            "webhookId": parameters.get("path"),
        }
        for name, (kind, version, parameters) in parts.items()
    ]
    then = {
        one: {"main": [[{"node": other, "type": "main", "index": 0}]]}
        for one, other in pairwise(["in", "check", "same", "start"])
    }
    workflow = {
        "id": "bench",
        "name": "bench",
        "nodes": nodes,
        "connections": then,
        "settings": {"executionOrder": "v1"},
        "active": False,
    }
    (path / "workflow.json").write_text(json.dumps(workflow))
    program = [node, str(installed / "node_modules" / "n8n" / "bin" / "n8n")]
    environ = {
        "N8N_USER_FOLDER": str(path),
        "N8N_PORT": str(port),
        "N8N_LISTEN_ADDRESS": "127.0.0.1",
        "N8N_ENDPOINT_WEBHOOK": "hooks",
        "N8N_DIAGNOSTICS_ENABLED": "false",
        "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
        "N8N_LOG_LEVEL": "error",
    }
    for command in (
        ["import:workflow", f"--input={path / 'workflow.json'}"],
        ["publish:workflow", "--id=bench"],
    ):
        subprocess.run(
            [*program, *command], env={**os.environ, **environ}, check=True, capture_output=True
        )
    with rig.process(
        [*program, "start"], f"http://127.0.0.1:{port}/healthz/readiness", patience=90.0, **environ
    ) as run:
        # it says that it is ready, and then makes its webhooks known
        rig.wait_for(f"http://127.0.0.1:{port}/hooks/up", 30.0)
        yield run


if __name__ == "__main__":
    main()
