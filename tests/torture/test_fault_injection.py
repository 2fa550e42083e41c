"""Faults as they are written, and how they are counted; tests/cli/test_platform_command.py has them
over HTTP.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

import pytest

from bridge.torture.fault_injection import (
    ENDPOINT_NAMES,
    FAULT_KINDS,
    FaultCounters,
    FaultError,
    FaultInjector,
    InjectedFault,
    describe_fault,
    read_fault,
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("start_pipeline=500", InjectedFault("start_pipeline=500", "start_pipeline", (), "500")),
        (
            "start_pipeline=429:2*3",
            InjectedFault("start_pipeline=429:2*3", "start_pipeline", (), "429", "2", 3),
        ),
        (" get_*=slow:1.5 ", InjectedFault("get_*=slow:1.5", "get_*", (), "slow", "1.5")),
        ("*=drop*1", InjectedFault("*=drop*1", "*", (), "drop", "", 1)),
        (
            "start_pipeline?saved_item_id=echo&n=1=lost",
            InjectedFault(
                "start_pipeline?saved_item_id=echo&n=1=lost",
                "start_pipeline",
                (("saved_item_id", "echo"), ("n", "1")),
                "lost",
            ),
        ),
        (
            "start_pipeline=503:Wed, 21 Oct 2026 07:28:00 GMT",
            InjectedFault(
                "start_pipeline=503:Wed, 21 Oct 2026 07:28:00 GMT",
                "start_pipeline",
                (),
                "503",
                "Wed, 21 Oct 2026 07:28:00 GMT",
            ),
        ),
    ],
)
def test_a_fault_is_read(text: str, fault: InjectedFault) -> None:
    assert read_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write ENDPOINT=KIND, such as start_pipeline=429:2*3"),
        ("start_pipeline", "is not a fault: write ENDPOINT=KIND"),
        ("=500", "is not a fault: write ENDPOINT=KIND"),
        ("start_pipeline=500*", "is not a fault: write ENDPOINT=KIND"),
        (
            "start_pipelin=500",
            (
                "there is no endpoint 'start_pipelin'; did you mean `start_pipeline`? use one of"
                " start_pipeline, "
            ),
        ),
        ("agents*=500", "there is no endpoint 'agents*'; use one of start_pipeline, "),
        (
            "start_pipeline=garbge",
            (
                "there is no kind 'garbge'; did you mean `garbage`? use a status such as"
                " 429, garbage, slow, "
            ),
        ),
        ("start_pipeline=STATUS", "there is no kind 'STATUS'"),
        ("start_pipeline=100", "there is no kind '100'"),
        ("start_pipeline=6000", "there is no kind '6000'"),
        ("start_pipeline=slow", "slow needs seconds, at most 3600, such as slow:1.5; found ''"),
        ("start_pipeline=slow:soon", "found 'soon'"),
        ("start_pipeline=slow:nan", "found 'nan'"),
        ("start_pipeline=drop:1", "drop takes no argument after a colon"),
        ("start_pipeline=429:ü", "Retry-After must be seconds or a date"),
        ("start_pipeline=500*0", "*0 would never happen"),
        (
            "start_pipeline?echo=500",
            "'echo' is not NAME=VALUE, such as start_pipeline?saved_item_id=echo=500",
        ),
    ],
)
def test_what_is_no_fault_is_told_how_to_be_one(text: str, said: str) -> None:
    with pytest.raises(FaultError) as error:
        read_fault(text)
    assert said in str(error.value)


def test_every_kind_says_what_it_does() -> None:
    for name, row in FAULT_KINDS.items():
        fault = read_fault(
            f"start_pipeline={'429' if name == 'STATUS' else name}{':1' if name == 'slow' else ''}*2"
        )
        words = describe_fault(fault)
        assert words.endswith("; 2 times") and "{" not in words and row.does
    assert (
        describe_fault(read_fault("start_pipeline=429:7*1"))
        == "does not run the call, and answers with 429 (Retry-After: 7); once"
    )
    assert "download_files" in ENDPOINT_NAMES


@pytest.mark.usefixtures("new_processes")
def test_processes_count_together_and_no_further_than_asked() -> None:
    counts = FaultCounters(2)
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            taken = sum(counts.take(1, 100) > 0 for _ in range(50))
            os._exit(taken)
        children.append(child)
    assert sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children) == 100
    assert (counts.take(1, 100), counts.take(1, None), counts.take(0, 1), counts.take(0, 1)) == (
        0,
        101,
        1,
        0,
    )


def called(
    app: Callable[..., Any], method: str, path: str, query: str = "", body: bytes = b""
) -> tuple[str, bytes]:
    answer: list[str] = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    given = b"".join(app(environ, lambda status, headers: answer.append(status)))
    return answer[0], given


def well(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [])
    return [environ["wsgi.input"].read() or b"well"]


def test_each_request_gets_the_first_fault_that_is_for_it_and_not_used_up() -> None:
    app = FaultInjector(
        well,
        [
            read_fault(text)
            for text in ("start_pipeline=500*1", "start_pipeline=ok*1", "start_*=503*1")
        ],
    )
    start = "/api/v1/start_pipeline"
    assert [called(app, "POST", start)[0][:3] for _ in range(4)] == ["500", "200", "503", "200"]
    assert [
        called(app, "POST", path)[0][:3]
        for path in ("/hooks/start_pipeline", "/api/v1/get_pl_run", "/api/v1/")
    ] == ["200"] * 3


@pytest.mark.parametrize(
    ("query", "body", "is_for"),
    [
        ("saved_item_id=echo", b"", True),
        ("saved_item_id=other", b"", False),
        ("", b'{"saved_item_id":"echo"}', True),
        ("", b'{"saved_item_id":"other"}', False),
        ("", b'{"saved_item_id":["echo"]}', False),
        ("", b"[1]", False),
        ("", b"no json", False),
    ],
)
def test_a_fault_may_be_for_one_flow_only_and_the_body_is_left_for_the_application(
    query: str, body: bytes, is_for: bool
) -> None:
    app = FaultInjector(well, [read_fault("start_pipeline?saved_item_id=echo=500")])
    status, given = called(app, "POST", "/api/v1/start_pipeline", query, body)
    assert status[:3] == ("500" if is_for else "200")
    assert is_for or given == (body or b"well")
