"""The Node.js libraries of GitHub, Linear, Sanity and Contentful agree with the rows.

Set FLOWBRIDGE_NODE_MODULES to a node_modules folder with @octokit/webhooks-methods, @linear/sdk,
@sanity/webhook and @contentful/node-apps-toolkit.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import replace
from typing import Any

import pytest
from folders import CLIENTS
from senders import sender

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request

MODULES = os.environ.get("FLOWBRIDGE_NODE_MODULES")
NODE = shutil.which("node")
SCRIPT = CLIENTS / "vendors.cjs"
pytestmark = pytest.mark.skipif(
    not (MODULES and NODE),
    reason="FLOWBRIDGE_NODE_MODULES names no folder of node's, or there is no node",
)


def vendor(what: str, request: Request, secret: str, **more: Any) -> Any:
    """What the vendor's library answers."""
    asked = {
        "what": what,
        "secret": secret,
        "body": request.body.decode(),
        "headers": dict(request.headers),
        "path": request.path,
        **more,
    }
    done = subprocess.run(
        [NODE or "", str(SCRIPT), MODULES or ""],
        input=json.dumps(asked) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def signed(name: str, secret: str) -> Request:
    one = replace(sender(name), secret=secret, private=secret)
    return one.sign(one.request(), time.time())


def changed(request: Request) -> Request:
    return replace(request, body=request.body.replace(b"e", b"3", 1))


@pytest.mark.usefixtures("new_processes")
def test_github_checks_ours_and_signs_for_us() -> None:
    one = replace(sender("github"), secret="s3cret")
    request = signed("github", "s3cret")
    assert vendor("github", request, "s3cret") is True
    assert vendor("github", changed(request), "s3cret") is False
    made = vendor("github_sign", request, "s3cret")
    one.verify(replace(request, headers={**request.headers, "x-hub-signature-256": made}))
    with pytest.raises(BadSignature):
        one.verify(
            replace(changed(request), headers={**request.headers, "x-hub-signature-256": made})
        )


@pytest.mark.usefixtures("new_processes")
def test_linear_checks_ours() -> None:
    request = signed("linear", "lin_wh_secret")
    assert vendor("linear", request, "lin_wh_secret") is True
    assert vendor("linear", request, "another") is not True


@pytest.mark.usefixtures("new_processes")
def test_sanity_checks_ours_and_signs_for_us() -> None:
    one = replace(sender("sanity"), secret="s3cret")
    request = signed("sanity", "s3cret")
    assert vendor("sanity", request, "s3cret") is True
    assert vendor("sanity", changed(request), "s3cret") is False
    made = vendor("sanity_sign", request, "s3cret", time=int(time.time() * 1000))
    one.verify(replace(request, headers={**request.headers, "sanity-webhook-signature": made}))
    with pytest.raises(BadSignature):
        one.verify(
            replace(changed(request), headers={**request.headers, "sanity-webhook-signature": made})
        )


@pytest.mark.usefixtures("new_processes")
def test_contentful_checks_ours_and_signs_for_us() -> None:
    secret = "a" * 64
    one = replace(sender("contentful"), secret=secret)
    request = signed("contentful", secret)
    assert vendor("contentful", request, secret) is True
    assert vendor("contentful", changed(request), secret) is False
    unsigned = one.request()
    now = time.time()
    made = vendor("contentful_sign", unsigned, secret, time=int(now * 1000))
    theirs = {name.lower(): str(value) for name, value in made.items()}
    one.verify(replace(unsigned, headers={**unsigned.headers, **theirs}), now)
    with pytest.raises(BadSignature):
        one.verify(replace(changed(unsigned), headers={**unsigned.headers, **theirs}), now)
