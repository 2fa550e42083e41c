"""The weight of a first visit, and that compression gives nothing away."""

from __future__ import annotations

import gzip
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_client import ConsoleClient
from console_config import write_config
from console_records import OPENED_PAGES, fill_path, store_records
from records import make_delivery, make_event
from werkzeug.test import TestResponse

from bridge.core.model import DeadKind, Status
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.web.console.compression import MAX_FILLER_CHARS

ROWS = 50
#: The page, with every file that it loads when the browser has none of them.
MAX_FIRST_VISIT_BYTES = 36 * 1024
MAX_PAGE_BYTES = 80 * 1024  # of the HTML, as a browser reads it
SOURCES = ("github", "stripe", "shopify", "linear", "contact")
#: A bridge as people have one: five sources and eight routes.
ROUTES = "\n".join(
    (
        "version: 1",
        "platforms: {local: {type: local}}",
        "sources:",
        *(
            f"  {name}: {{provider: {name}, secret: a-long-enough-secret-of-{name}}}"
            for name in SOURCES[:-1]
        ),
        "  contact: {provider: form}",
        "routes:",
        *(
            f"  - {{name: route-number-{number}, on: {SOURCES[number % 5]}, flow: local/echo,"
            ' inputs: {a: "${event.id}"}}'
            for number in range(8)
        ),
    )
)
#: The headers of a browser that opens a page: by the console, and by a link of another site.
OWN = {"Accept-Encoding": "gzip, br", "Sec-Fetch-Site": "same-origin"}
LINK = {
    "Accept-Encoding": "gzip",
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}
_ASSET = re.compile(r'"(/console/assets/[^"#]+)')
_PROOF = re.compile(r'name="csrf" value="([0-9a-f]+)"')


@pytest.fixture
def console(sqlite: Database, tmp_path: Path) -> ConsoleClient:
    client = ConsoleClient(sqlite, tmp_path, write_config(tmp_path, text=ROUTES.replace("%", "%%")))
    client.log_in()
    return client


def store_full_rows(database: Database) -> None:
    """Store so many events that each list has a full page, each row with all that it can show."""
    now = time.time()
    arrivals = []
    for number in range(ROWS + 10):
        at = now - number * 17.31
        one = make_event(
            secrets.token_hex(18),
            now=at,
            source=("github", "stripe", "shop-orders")[number % 3],
            type=("pull_request.opened", "invoice.payment_failed", "orders/create")[number % 3],
        )
        states = (
            ("notify-on-call", Status.DELIVERED, None),
            ("archive", Status.DEAD, f"HTTP 40{number % 5} from the platform: not accepted"),
            ("triage", Status.UNKNOWN, f"the connection broke off after {number % 7}.2 s"),
        )
        deliveries = [
            make_delivery(
                one,
                route,
                now=at,
                status=status,
                reason=reason,
                dead_kind=DeadKind.PLATFORM if status is Status.DEAD else None,
                run_id=secrets.token_hex(12),
            )
            for route, status, reason in states
        ]
        arrivals.append((one, deliveries))
    events.add_all(database, arrivals, lambda *_: [])


def test_a_first_visit_is_small(console: ConsoleClient) -> None:
    ids = store_records(console.database, "text")
    store_full_rows(console.database)
    assert console.html("/events").count('class="row"') == ROWS
    weights = {}
    for page in OPENED_PAGES:
        answer = console.get(fill_path(page.path, ids), headers=OWN)
        if answer.mimetype != "text/html" or answer.status_code != 200:
            continue
        html = unpack(answer)
        assert len(html) <= MAX_PAGE_BYTES, page.path
        assets = {
            url: len(console.client.get(url, headers=OWN).data)
            for url in set(_ASSET.findall(html.decode()))
        }
        assert len(assets) >= 4, page.path
        weights[page.path] = len(answer.data) + sum(assets.values())
    assert len(weights) > 25
    assert {path: one for path, one in weights.items() if one > MAX_FIRST_VISIT_BYTES} == {}


def test_only_pages_that_follow_what_happens_load_the_script_for_it(
    console: ConsoleClient,
) -> None:
    ids = store_records(console.database, "text")
    found = set()
    for page in OPENED_PAGES:
        html = console.get(fill_path(page.path, ids)).text
        assert ("hx-get" in html) == ("htmx.min" in html) or page.path == "/settings", page.path
        found |= {page.path} if "hx-get" in html else set()
    assert found == {"/", "/events", "/deliveries", "/tail"}


def test_a_page_is_compressed_only_where_the_console_or_a_person_opens_it(
    console: ConsoleClient,
) -> None:
    for site in ("same-origin", "none"):
        answer = console.get("/events", headers=OWN | {"Sec-Fetch-Site": site})
        assert answer.headers["Content-Encoding"] == "gzip"
        assert b"<h1>Events</h1>" in unpack(answer)
    plain = {
        "a link of another site": LINK,
        "another page of the same domain": LINK | {"Sec-Fetch-Site": "same-site"},
        "a browser that does not say": {"Accept-Encoding": "gzip"},
        "a client without gzip": OWN | {"Accept-Encoding": "br"},
        "a part that the script asks for": OWN | {"HX-Request": "true"},
    }
    for who, headers in plain.items():
        answer = console.get("/tail", headers=headers)
        assert (answer.status_code, answer.headers.get("Content-Encoding")) == (200, None), who
    vary = console.get("/events", headers=LINK).headers["Vary"]
    assert vary == "Accept-Encoding, Sec-Fetch-Site"


def test_the_answer_to_a_form_is_not_compressed(console: ConsoleClient) -> None:
    form = {"csrf": console.csrf(), "text": "version: 1\n", "do": "list"}
    answer = console.client.post("/console/playground", data=form, headers=OWN)
    assert (answer.status_code, answer.headers.get("Content-Encoding")) == (200, None)


def test_no_two_pages_carry_the_same_proof_and_each_is_valid(console: ConsoleClient) -> None:
    proofs = [_PROOF.findall(console.html("/events")) for _ in range(4)]
    seen = {proof for each in proofs for proof in each}
    assert len(seen) == 4  # the forms of one page share one
    ends = {one[at : at + 4] for one in seen for at in range(0, len(one), 4)}
    assert len(ends) > 80  # and no two have a part in common
    for proof in (*seen, min(seen)):
        assert console.post("/logout", {"csrf": proof}).status_code == 303
        console.log_in()
        refused = console.post("/logout", {"csrf": proof})
        assert refused.status_code == 403  # of another session
        console.log_in()
        break
    own = console.csrf()
    for wrong in ("", own[:-1], own[32:], "0" * 32 + own[32:], own + "0", "é" * 96):
        assert console.post("/logout", {"csrf": wrong}).status_code == 403, wrong


def test_the_length_of_a_compressed_page_varies(console: ConsoleClient) -> None:
    def lengths() -> Iterator[int]:
        for _ in range(30):
            packed = console.get("/rejects", headers=OWN).data
            # the name in the header of the format, https://www.rfc-editor.org/rfc/rfc1952#page-5
            yield packed.index(b"\0", 10) - 10 if packed[3] & 8 else 0

    found = set(lengths())
    assert len(found) > 5
    assert max(found) <= MAX_FILLER_CHARS


def unpack(answer: TestResponse) -> bytes:
    assert answer.headers["Content-Encoding"] == "gzip"
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    return gzip.decompress(answer.data)
