"""Tests that one network, and spam, leave room in a form for all others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from conftest import new_postgres_database
from days import within_a_day
from edges import EDGES
from forms import MULTIPART, PDF, multipart, part
from serving import Answer, Bridge

ROUTES = """
version: 1
platforms:
  local: {type: local}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
  contact: {provider: form, rate: 10000/min and 10000/min per address, daily_bytes: 1 MiB}
  jobs:
    provider: form
    rate: 10000/min and 10000/min per address
    files: {max_size: 1 MiB, keep: 1 MiB}
  contact_trap:
    provider: form
    rate: 10000/min and 10000/min per address
    daily_bytes: 1 MiB
    spam: {honeypots: [company]}
  jobs_trap:
    provider: form
    rate: 10000/min and 10000/min per address
    files: {max_size: 1 MiB, keep: 1 MiB}
    spam: {honeypots: [company]}
"""
BODY_BYTES = 65 * 1024  # four are more than a quarter of a form
FLOODERS = ("203.0.113.7", "203.0.113.8", "2001:db8:0:100::1", "2001:db8:0:1ff::1")
OTHER = "198.51.100.9"

Send = Callable[..., Answer]


@pytest.fixture(
    scope="module",
    params=[(database, edge) for database in ("sqlite", "postgresql") for edge in EDGES],
    ids="-".join,
)
def web(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[Bridge]:
    database, edge = request.param
    environ = EDGES[edge] | {
        "FLOWBRIDGE_TRUSTED_PROXIES": "127.0.0.1",
        "FLOWBRIDGE_SECRET_KEY": "x" * 40,
    }
    if database == "postgresql":
        environ["FLOWBRIDGE_DATABASE_URL"] = new_postgres_database(
            request.getfixturevalue("postgres")
        )
    with Bridge(tmp_path_factory.mktemp("shares"), "web", routes=ROUTES, environ=environ) as bridge:
        yield bridge


def send_text(web: Bridge, client: str, number: int, **fields: str) -> Answer:
    values = {"name": f"{client} {number}", "text": "x" * BODY_BYTES} | fields
    source = "contact_trap" if fields else "contact"
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    return web.post(
        f"/hooks/{source}", json.dumps(values).encode(), headers | {"X-Forwarded-For": client}
    )


def send_file(web: Bridge, client: str, number: int, **fields: str) -> Answer:
    content = PDF + f"{client} {number}".encode() + b"x" * BODY_BYTES
    parts = [part(name, value.encode()) for name, value in fields.items()]
    body = multipart(part("name", b"Zo"), *parts, part("cv", content, "cv.pdf"))
    source = "jobs_trap" if fields else "jobs"
    headers = {"Content-Type": MULTIPART, "Accept": "application/json"}
    return web.post(f"/hooks/{source}", body, headers | {"X-Forwarded-For": client})


@pytest.mark.parametrize(
    ("send", "code"), [(send_text, "daily_bytes_full"), (send_file, "files_full")]
)
@pytest.mark.parametrize("family", [FLOODERS[:2], FLOODERS[2:]], ids=["IPv4", "IPv6"])
def test_one_network_takes_a_quarter_of_a_form(
    web: Bridge, send: Send, code: str, family: tuple[str, ...]
) -> None:
    within_a_day()
    answers = [send(web, family[number % 2], number) for number in range(16)]
    assert [answer.status for answer in answers] == [202] * 4 + [507] * 12
    assert answers[-1].json["error"] == code
    others = OTHER if family is FLOODERS[:2] else "2001:db8:0:200::1"
    assert [send(web, others, number).status for number in range(3)] == [202] * 3


@pytest.mark.parametrize("send", [send_text, send_file])
def test_spam_leaves_a_quarter_of_a_form(web: Bridge, send: Send) -> None:
    within_a_day()
    bots = [f"192.0.{number}.1" for number in range(16)]
    spam = [send(web, bot, 0, company="Bot").status for bot in bots]
    assert spam == [202] * 11 + [507] * 5
    people = [send(web, f"198.51.{number}.1", 0, company="").status for number in range(3)]
    assert people == [202] * 3
