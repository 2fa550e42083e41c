"""What may be stored has a type of its own: only masking and redaction make it, and only it makes
an event.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest

import bridge
from bridge.core.http_messages import Request
from bridge.core.masking import MASK
from bridge.core.model import Body
from bridge.ingest import body_stages, event_builder, redaction
from bridge.ingest.body_stages import MaskedBody, StoredBody
from bridge.ingest.source_bodies import RawBody

ROOT = Path(bridge.__file__).parent / "ingest"
#: What is made -> where alone it is made.
MAKERS = {
    "MaskedBody": {
        "body_stages.mask_body",
        "redaction.redact_copy",  # of a stored event, which was masked when it was received
    },
    "StoredBody": {"redaction.redact_body"},
    "Event": {"event_builder._build_event"},
}


def made(path: Path) -> Iterator[tuple[str, str]]:
    """(what is called, in which function) of a module."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    yield node.func.id, f"{module}.{function.name}"


@pytest.mark.parametrize("name", MAKERS)
def test_each_stage_is_made_in_one_place(name: str) -> None:
    places = {
        place for path in ROOT.rglob("*.py") for made_one, place in made(path) if made_one == name
    }
    assert places == MAKERS[name]


def test_each_stage_is_made_of_the_one_before() -> None:
    mask = get_type_hints(body_stages.mask_body)
    redact = get_type_hints(redaction.redact_body)
    build = get_type_hints(event_builder._build_event)
    assert (mask["raw"], mask["return"]) == (RawBody, MaskedBody)
    assert (redact["masked"], redact["return"]) == (MaskedBody, StoredBody)
    assert build["stored"] is StoredBody and not {Request, Body} & {*build.values()}
    assert len({RawBody, MaskedBody, StoredBody}) == 3
    assert not any(issubclass(one, RawBody) for one in (MaskedBody, StoredBody))


def test_no_stage_shows_what_it_holds() -> None:
    request = Request(
        method="POST", path="/", headers={"authorization": "hunter2"}, body=b"hunter2"
    )
    said = Body(value="hunter2")
    for one in (RawBody(request, said), MaskedBody(request, said), StoredBody(request, said, "d")):
        assert "hunter2" not in repr(one) and MASK not in repr(one)
