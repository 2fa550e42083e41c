"""The servers that peers.py compares: each takes the same events, and starts the same flow.

Each function runs one until the end of the block: in the folder `path`, on `port`, for the flow
server of rig.stub on the port `stub`.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import rig
import webhook_sample

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


def ours(path: Path, port: int, stub: int) -> AbstractContextManager[object]:
    return rig.flowbridge(path, webhook_sample.routes(f"http://127.0.0.1:{stub}/start"), port)


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
        "secret": webhook_sample.SECRET,
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
    code = f"const SECRET = {json.dumps(webhook_sample.SECRET)};\nconst crypto = global.get('crypto');\n{FLOW}"
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
                "secret": webhook_sample.SECRET,
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
