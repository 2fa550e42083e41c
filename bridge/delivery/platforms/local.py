"""Platform `local`: Gumloop's API over loopback HTTP, with idempotent starts. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from bridge.core.http_messages import Answer, Call
from bridge.core.local_runs import REQUIRED, WHOLE_BODY
from bridge.core.model import Delivery
from bridge.delivery.platforms import gumloop
from bridge.delivery.platforms.model import InputNode, Listing
from bridge.delivery.platforms.responses import idempotency_key
from bridge.routing.model import Platform

FILE_TYPE: Final = "file"
#: The description of an input: the annotation of its parameter, and whether it has a default.
_PARAMETER: Final = re.compile(r"(?:(?P<type>.*?), )?(?P<rest>required|default .*)", re.DOTALL)
BASE_URL: Final = "http://127.0.0.1:8080/api/v1"

read_start = gumloop.read_start
read_run = gumloop.read_run
read_list = gumloop.read_list
read_runs = gumloop.read_runs
read_kill = gumloop.read_kill
read_upload = gumloop.read_upload


def build_start(platform: Platform, delivery: Delivery) -> Call:
    """Return the call that starts the delivery's flow; a repeated call returns the same run."""
    call = gumloop.build_start(_here(platform), delivery)
    return replace(call, headers={**call.headers, "Idempotency-Key": idempotency_key(delivery)})


def build_run(platform: Platform, run_id: str) -> Call:
    """Return the call that polls a run."""
    return gumloop.build_run(_here(platform), run_id)


def build_list(platform: Platform) -> Call:
    """Return the call that lists the flows."""
    return gumloop.build_list(_here(platform))


def build_inputs(platform: Platform, saved_item_id: str) -> Call:
    """Return the call that lists a flow's inputs."""
    return gumloop.build_inputs(_here(platform), saved_item_id)


def read_inputs(answer: Answer) -> Listing[InputNode]:
    """Return a flow's inputs, whose types are the annotations of its parameters."""
    listing = gumloop.read_inputs(answer)
    if listing.items is None:
        return listing
    return replace(listing, items=tuple(map(_read_parameter, listing.items)))


def _read_parameter(node: InputNode) -> InputNode:
    """Return an input with what its description says: the type, and whether it is required.

    The list of inputs itself has strings and files only, as that of Gumloop.
    """
    match = _PARAMETER.fullmatch(node.description)
    if match is None:
        return node
    is_typed = node.type != FILE_TYPE and match["type"] != WHOLE_BODY
    return replace(
        node,
        annotation=match["type"] or "" if is_typed else None,
        description=match["rest"] if is_typed else node.description,
        required=match["rest"] == REQUIRED,
    )


def build_runs(platform: Platform, saved_item_id: str) -> Call:
    """Return the call that lists a flow's newest runs."""
    return gumloop.build_runs(_here(platform), saved_item_id)


def build_kill(platform: Platform, run_id: str) -> Call:
    """Return the call that ends a run."""
    return gumloop.build_kill(_here(platform), run_id)


def build_upload(platform: Platform, name: str, content: bytes) -> Call:
    """Return the call that uploads a file."""
    return gumloop.build_upload(_here(platform), name, content)


def _here(platform: Platform) -> Platform:
    return platform if platform.base_url else replace(platform, base_url=BASE_URL)
