"""Login to the console, its sessions, and what keeps other sites out."""

from __future__ import annotations

import re
import time
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path

import pytest
from admin_client import ADMIN_TOKEN
from console_client import OWN_PAGE, SECRET_KEY, ConsoleClient
from itsdangerous import URLSafeSerializer
from sqlalchemy import func, select

from bridge.core.errors import StoreError
from bridge.core.rate_limits import Rate
from bridge.core.scopes import Scope
from bridge.services.access_tokens import create_token, remove_token
from bridge.services.console_tickets import (
    TICKET_SECONDS,
    RenewedTicket,
    create_ticket,
    is_ticket_open,
    is_ticket_valid,
    use_ticket,
)
from bridge.store import audit
from bridge.store.db.database import Database
from bridge.store.operations import sessions as stored_sessions
from bridge.store.operations.sessions import (
    IDLE_SECONDS,
    MAX_SESSIONS_OF_HOLDER,
    MAX_SKEW_SECONDS,
    SESSION_SECONDS,
)
from bridge.store.tables.schema import console_session
from bridge.web.admin import limits
from bridge.web.console import login
from bridge.web.console.session import (
    RENEWAL_SECONDS,
    SessionStore,
)

NOW = 1_764_000_000.0
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
def console(database: Database, tmp_path: Path) -> ConsoleClient:
    return ConsoleClient(database, tmp_path)


# -- login


def test_each_kind_of_token_logs_in_and_others_do_not(console: ConsoleClient) -> None:
    _, secret = create_token(console.database, "ann", "reader", None, now=time.time())
    ticket = create_ticket(console.database, {Scope.READ}, "ann@here", time.time())
    for token, name in ((ADMIN_TOKEN, "FLOWBRIDGE_ADMIN_TOKEN"), (secret, "ann"), (ticket, "ann@")):
        console.client = console.app.test_client()
        answer = console.send_token(token)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/console/")
        assert name in console.html("/find?q=zz")
    console.client = console.app.test_client()
    for wrong in ("", "fbt_" + "a" * 43, "x" * 2000):
        refused = console.send_token(wrong)
        assert refused.status_code in (401, 429)
        assert "Set-Cookie" not in refused.headers


def test_a_ticket_is_valid_once_and_for_five_minutes(database: Database) -> None:
    assert TICKET_SECONDS == 300.0
    ticket = create_ticket(database, {Scope.READ, Scope.ACT}, "ann@here", NOW)
    used = use_ticket(database, ticket, NOW + TICKET_SECONDS - 1)
    assert used is not None
    assert (used.actor, used.scopes) == ("ann@here", {Scope.READ, Scope.ACT})
    assert use_ticket(database, ticket, NOW + 1) is None
    late = create_ticket(database, {Scope.READ}, "ann@here", NOW)
    assert use_ticket(database, late, NOW + TICKET_SECONDS) is None


def test_a_renewed_ticket_is_valid_as_long_as_it_is_renewed(database: Database) -> None:
    ticket = RenewedTicket(database, {Scope.READ}, "demo")
    assert use_ticket(database, ticket.text, NOW) is None
    for at in (NOW, NOW + 1, NOW + 3600, NOW - 3600):  # used each time; a clock was set
        ticket.renew(at)
        assert is_ticket_open(database, at)
        used = use_ticket(database, ticket.text, at)
        assert used is not None and used.actor == "demo" and used.scopes == {Scope.READ}
        assert use_ticket(database, ticket.text, at) is None
    for at in range(0, 600, 20):  # never used
        ticket.renew(NOW + at)
        assert is_ticket_open(database, NOW + at)
    assert use_ticket(database, ticket.text, NOW + 600 + TICKET_SECONDS) is None


def test_logins_are_limited(console: ConsoleClient) -> None:
    for _ in range(5):
        assert console.send_token("wrong").status_code == 401
    refused = console.send_token(ADMIN_TOKEN)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_guesses_from_many_addresses_lock_out_no_link_and_no_named_token(
    console: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "ADDRESS_LOGIN_RATE", Rate(count=2, per=1e6))
    monkeypatch.setattr(login, "LOGIN_RATE", Rate(count=4, per=1e6))
    _, secret = create_token(console.database, "ann", "reader", None, now=time.time())
    links = [
        create_ticket(console.database, {Scope.READ}, "ann@here", time.time()) for _ in range(2)
    ]

    def send(token: str, address: str) -> int:
        answer = console.client.post(
            "/console/login",
            data={"token": token},
            headers=OWN_PAGE,
            environ_overrides={"REMOTE_ADDR": address},
        )
        assert ("Set-Cookie" in answer.headers) is (answer.status_code == 303)
        return answer.status_code

    strangers = ["203.0.113.1", "203.0.113.1", "203.0.113.2", "2001:db8::1"]
    guesses = ["wrong", "fbc_" + "a" * 43, "fbt_" + "a" * 43, "x" * 2000]
    assert [send(*one) for one in zip(guesses, strangers, strict=True)] == [401] * 4
    for guess in (*guesses, ADMIN_TOKEN):
        assert send(guess, "198.51.100.9") == 429
    assert send(secret, "198.51.100.9") == 303
    # a link is valid once, also where strangers share the address with its owner
    assert [send(links[0], "203.0.113.1") for _ in range(2)] == [303, 429]
    assert send(secret, "203.0.113.1") == 429
    assert send(links[1], "198.51.100.9") == 303


def test_a_ticket_that_has_ended_is_a_guess(database: Database) -> None:
    ticket = create_ticket(database, {Scope.READ}, "ann@here", NOW)
    assert is_ticket_valid(database, ticket, NOW + TICKET_SECONDS - 1)
    assert use_ticket(database, ticket, NOW + 1) is not None
    late = create_ticket(database, {Scope.READ}, "ann@here", NOW)
    for text, at in ((ticket, NOW), (late, NOW + TICKET_SECONDS), (f"{late}x", NOW), ("", NOW)):
        assert not is_ticket_valid(database, text, at)


def test_logins_are_in_the_audit_log(console: ConsoleClient) -> None:
    console.send_token("wrong")
    console.send_token(ADMIN_TOKEN)
    found = [
        (one.action, one.actor, one.subject, one.client)
        for one in audit.list_entries(console.database)
    ]
    assert found == [
        ("login", "FLOWBRIDGE_ADMIN_TOKEN", "console", "127.0.0.1"),
        ("login_refused", "console", "console", "127.0.0.1"),
    ]


def test_behind_a_proxy_the_audit_log_has_the_address_of_the_browser(
    database: Database, tmp_path: Path
) -> None:
    trusted = (ip_network("127.0.0.0/8"),)
    console = ConsoleClient(database, tmp_path, trusted_proxies=trusted, expose=("console",))
    forwarded = OWN_PAGE | {"X-Forwarded-For": "203.0.113.7"}
    console.send_token(ADMIN_TOKEN, forwarded)
    console.post("/settings/tokens", {"name": "ann", "scopes": "read"}, forwarded)
    found = [(one.action, one.client) for one in audit.list_entries(console.database)]
    assert found == [("token_added", "203.0.113.7"), ("login", "203.0.113.7")]


def test_a_login_from_another_site_counts_toward_no_limit(console: ConsoleClient) -> None:
    for _ in range(6):
        foreign = console.send_token(ADMIN_TOKEN, {"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
    assert console.send_token(ADMIN_TOKEN).status_code == 303


@pytest.mark.parametrize(
    ("given", "opened"),
    [
        ("/console/events?source=a", "/console/events?source=a"),
        ("https://evil.example/console/", "/console/"),
        ("//evil.example/console/", "/console/"),
        ("/console//evil.example", "/console/"),
        ("/console/\\evil.example", "/console/"),
        ("/consoles", "/console/"),
        ("/console/\nx", "/console/"),
        ("/console/../hooks/a", "/console/"),
        ("/console/%2e%2E/hooks/a", "/console/"),
        ("/console/a/..%2f../hooks", "/console/"),
        ("/console/..#a", "/console/"),
        ("/console/events?where=a/../b", "/console/events?where=a/../b"),
    ],
)
def test_the_login_leads_to_a_page_of_ours_only(
    console: ConsoleClient, given: str, opened: str
) -> None:
    assert console.send_token(ADMIN_TOKEN, next=given).headers["Location"] == opened


def test_without_a_session_pages_lead_to_the_login(console: ConsoleClient) -> None:
    answer = console.get("/events?source=a&type=b")
    assert answer.status_code == 303
    assert answer.headers["Location"] == (
        "/console/login?next=%2Fconsole%2Fevents%3Fsource%3Da%26type%3Db"
    )
    assert console.get("/").headers["Location"] == "/console/login"
    assert console.get("/nope").status_code == 303  # it says nothing of which pages there are


def test_where_no_login_is_possible_programs_find_no_console(
    database: Database, tmp_path: Path
) -> None:
    console = ConsoleClient(database, tmp_path, admin_token="")
    for headers in ({}, {"Accept": "application/json"}, {"Accept": "*/*"}):
        answer = console.get("/login", headers=headers)
        assert (answer.status_code, answer.is_json) == (404, True)
    create_ticket(database, {Scope.READ}, "ann@here", time.time())
    assert console.get("/login").status_code == 200


# -- a browser on the bridge's machine


@pytest.mark.parametrize("path", ["/", "/console", "/console/", "/console/events"])
@pytest.mark.parametrize("admin_token", ["", ADMIN_TOKEN])
def test_a_browser_on_this_machine_is_led_to_the_login_whether_tokens_exist_or_not(
    database: Database, tmp_path: Path, path: str, admin_token: str
) -> None:
    console = ConsoleClient(database, tmp_path, admin_token=admin_token)
    answer = console.client.get(path, headers=BROWSER, follow_redirects=True)
    assert (answer.status_code, answer.request.path) == (200, "/console/login")
    assert "flowbridge console --open" in answer.text


@pytest.mark.parametrize("seconds", [0.0, TICKET_SECONDS + 1])
def test_a_link_that_was_used_or_has_ended_answers_the_login(
    database: Database, tmp_path: Path, seconds: float
) -> None:
    console = ConsoleClient(database, tmp_path, admin_token="")
    ticket = create_ticket(database, {Scope.READ}, "ann@here", time.time() - seconds)
    if not seconds:
        assert console.send_token(ticket, OWN_PAGE | BROWSER).status_code == 303
        console.client = console.app.test_client()
    refused = console.send_token(ticket, OWN_PAGE | BROWSER)
    assert (refused.status_code, refused.mimetype) == (401, "text/html")
    assert "is valid once, and for five minutes" in refused.text


@pytest.mark.parametrize("path", ["/", "/console/", "/console/login"])
@pytest.mark.parametrize(
    ("headers", "environ", "changes"),
    [
        ({"X-Forwarded-For": "127.0.0.1"}, {}, {}),
        ({"Forwarded": "for=127.0.0.1"}, {}, {"expose": frozenset({"console"})}),
        ({"Host": "ops.example"}, {}, {"console_hosts": frozenset({"ops.example"})}),
        ({}, {"REMOTE_ADDR": "192.0.2.7"}, {}),
        ({}, {"REMOTE_ADDR": ""}, {}),
        ({}, {"SERVER_NAME": "192.0.2.7"}, {"private_bind": ("192.0.2.7", 80)}),
        ({}, {}, {"bind": ("0.0.0.0", 8080)}),  # noqa: S104 - what others reach
    ],
)
def test_beyond_this_machine_nothing_tells_of_the_login(
    database: Database,
    tmp_path: Path,
    path: str,
    headers: dict[str, str],
    environ: dict[str, str],
    changes: dict[str, object],
) -> None:
    console = ConsoleClient(database, tmp_path, admin_token="", **changes)
    answer = console.client.get(path, headers=BROWSER | headers, environ_overrides=environ)
    assert (answer.status_code, answer.is_json) == (404, True)


def test_programs_on_this_machine_get_json_at_the_first_path(console: ConsoleClient) -> None:
    for headers in ({}, {"Accept": "application/json"}):
        answer = console.client.get("/", headers=headers)
        assert (answer.status_code, answer.is_json) == (404, True)
    assert console.client.post("/", headers=BROWSER).status_code == 404


# -- cookies and sessions


def test_the_cookie_is_for_the_console_only(console: ConsoleClient) -> None:
    cookie = console.log_in().headers["Set-Cookie"]
    assert cookie.startswith("flowbridge_console=")
    assert cookie.endswith("; HttpOnly; Path=/console; SameSite=Lax")
    assert ADMIN_TOKEN not in cookie


def test_over_https_the_cookie_is_secure(database: Database, tmp_path: Path) -> None:
    console = ConsoleClient(
        database, tmp_path, public_url="https://flows.example", expose=frozenset({"console"})
    )
    answer = console.client.post(
        "/console/login",
        data={"token": ADMIN_TOKEN},
        headers={"Host": "flows.example", "Origin": "https://flows.example"},
    )
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Secure-flowbridge_console=")
    assert "; Secure;" in cookie


def test_behind_another_proxy_with_tls_the_cookie_is_secure(
    database: Database, tmp_path: Path
) -> None:
    """The proxy has a name of FLOWBRIDGE_CONSOLE_HOSTS; only the browser says that it uses TLS."""
    console = ConsoleClient(database, tmp_path, console_hosts=frozenset({"ops.example"}))
    host = {"Host": "ops.example"}
    own = host | {"Origin": "https://ops.example"}
    begun = console.client.post("/console/login", data={"token": ADMIN_TOKEN}, headers=own)
    cookie = begun.headers["Set-Cookie"]
    assert cookie.startswith("__Secure-flowbridge_console=")
    assert "; Secure;" in cookie
    sent = host | {"Cookie": cookie.partition(";")[0]}
    browser = console.app.test_client(use_cookies=False)
    page = browser.get("/console/events", headers=sent)
    assert page.status_code == 200
    # a cookie of plain http, which anyone on the way may have set, does not take its place
    tossed = {"Cookie": f"flowbridge_console=x; {sent['Cookie']}"}
    assert browser.get("/console/events", headers=sent | tossed).status_code == 200
    proof = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert proof is not None
    ended = browser.post("/console/logout", data={"csrf": proof[1]}, headers=own | sent)
    assert ended.headers["Set-Cookie"].startswith("__Secure-flowbridge_console=;")
    assert browser.get("/console/events", headers=sent).status_code == 303


def test_over_plain_http_the_cookie_is_not_secure(console: ConsoleClient) -> None:
    headers = {"Host": "localhost", "Origin": "http://localhost"}
    cookie = console.send_token(ADMIN_TOKEN, headers).headers["Set-Cookie"]
    assert cookie.startswith("flowbridge_console=") and "Secure" not in cookie


def sessions_of(database: Database, admin_token: str = ADMIN_TOKEN) -> SessionStore:
    return SessionStore(database, admin_token)


def count_rows(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(console_session)).scalar_one()


def test_a_session_ends_by_time(database: Database) -> None:
    sessions = sessions_of(database)
    begun = sessions.begin_for_admin(NOW)
    assert sessions.read(begun.secret, NOW + IDLE_SECONDS - 1) == begun
    assert sessions.read(begun.secret, NOW + IDLE_SECONDS) is None
    assert sessions.read(begun.secret, NOW - MAX_SKEW_SECONDS - 1) is None  # from the future
    at = NOW
    while at < NOW + SESSION_SECONDS - IDLE_SECONDS:
        at += IDLE_SECONDS - 1
        used = sessions.read(begun.secret, at)
        assert used is not None
        sessions.record_use(used, at)
    assert sessions.read(begun.secret, NOW + SESSION_SECONDS - 1) is not None
    assert sessions.read(begun.secret, NOW + SESSION_SECONDS) is None


def test_a_session_ends_with_its_token(database: Database) -> None:
    sessions = sessions_of(database)
    token, _ = create_token(database, "ann", "read", "1h", now=NOW)
    cookie = sessions.begin_for_token(token, NOW).secret
    assert sessions.read(cookie, NOW + 3599) is not None
    assert sessions.read(cookie, NOW + 3600) is None
    remove_token(database, "ann")
    assert sessions.read(cookie, NOW + 1) is None
    admin = sessions.begin_for_admin(NOW).secret
    assert sessions.read(admin, NOW) is not None
    assert sessions_of(database, "another-token").read(admin, NOW) is None
    assert sessions_of(database, "").read(admin, NOW) is None


def test_the_store_has_no_cookie(database: Database) -> None:
    session = sessions_of(database).begin_for_admin(NOW)
    assert session.secret not in repr(session)
    with database.read() as connection:
        row = connection.execute(select(console_session)).one()
    assert session.secret not in str(row) and ADMIN_TOKEN not in str(row)


def test_a_spoiled_cookie_is_no_session(database: Database) -> None:
    sessions = sessions_of(database)
    cookie = sessions.begin_for_admin(NOW).secret
    with database.read() as connection:
        hash_ = connection.execute(select(console_session.c.hash)).scalar_one()
    for wrong in (None, "", "x", cookie[:-1], f"{cookie}x", f"{cookie}\n", cookie * 20, hash_):
        assert sessions.read(wrong, NOW) is None
    assert sessions.read(cookie, NOW) is not None


def test_sessions_are_few(database: Database) -> None:
    """One holder of a token ends no session of another, and ended sessions are deleted."""
    sessions = sessions_of(database)
    token, _ = create_token(database, "ann", "read", None, now=NOW)
    other = sessions.begin_for_token(token, NOW).secret
    times = [NOW + number for number in range(MAX_SESSIONS_OF_HOLDER + 2)]
    cookies = [sessions.begin_for_admin(at).secret for at in times]
    is_open = [sessions.read(cookie, times[-1]) is not None for cookie in (other, *cookies[:4])]
    assert is_open == [True, False, False, True, True]
    sessions.begin_for_admin(NOW + SESSION_SECONDS)
    assert count_rows(database) == 1


def test_the_secret_key_makes_no_session(console: ConsoleClient) -> None:
    """Whoever has a copy of the data folder may have the key."""
    serializer = URLSafeSerializer(
        SECRET_KEY,
        salt="flowbridge console session",
        signer_kwargs={"key_derivation": "hmac", "digest_method": sha256},
    )
    values = {"id": "x", "kind": "ticket", "of": "", "name": "thief", "scopes": ["admin"]}
    forged = serializer.dumps(values | {"began": time.time(), "used": time.time()})
    assert isinstance(forged, str)
    console.client.set_cookie("flowbridge_console", forged, path="/console")
    assert console.get("/settings").status_code == 303


def test_after_a_logout_a_copy_of_the_cookie_is_refused(console: ConsoleClient) -> None:
    console.log_in()
    found = console.client.get_cookie("flowbridge_console", path="/console")
    assert found is not None
    answer = console.post("/logout")
    assert answer.status_code == 303
    assert "Expires=Thu, 01 Jan 1970" in answer.headers["Set-Cookie"]
    thief = console.app.test_client()
    thief.set_cookie("flowbridge_console", found.value, path="/console")
    assert thief.get("/console/").status_code == 303


def test_a_logout_deletes_the_session(console: ConsoleClient) -> None:
    console.log_in()
    assert count_rows(console.database) == 1
    console.post("/logout")
    assert count_rows(console.database) == 0


def test_use_is_recorded_at_most_once_a_minute(console: ConsoleClient) -> None:
    sessions = sessions_of(console.database)
    begun_at = time.time() - RENEWAL_SECONDS - 1
    cookie = sessions.begin_for_admin(begun_at).secret
    console.client.set_cookie("flowbridge_console", cookie, path="/console")
    console.get("/find?q=zz")
    used = sessions.read(cookie, time.time())
    assert used is not None and used.used_at > begun_at + RENEWAL_SECONDS
    console.get("/find?q=zz")
    again = sessions.read(cookie, time.time())
    assert again is not None and again.used_at == used.used_at


def test_a_store_that_cannot_be_written_shows_pages(
    console: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: an operator has to look at the bridge then."""
    sessions = sessions_of(console.database)
    cookie = sessions.begin_for_admin(time.time() - RENEWAL_SECONDS - 1).secret
    console.client.set_cookie("flowbridge_console", cookie, path="/console")

    def fail(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(stored_sessions, "record_use", fail)
    assert console.get("/find?q=zz").status_code == 200


# -- other sites


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (OWN_PAGE, 303),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://localhost"}, 303),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({}, 403),
    ],
)
def test_only_a_page_of_ours_sends_a_form(
    console: ConsoleClient, headers: dict[str, str], status: int
) -> None:
    console.log_in()
    assert console.post("/logout", headers=headers).status_code == status


def test_a_form_carries_the_proof_of_its_session(console: ConsoleClient) -> None:
    console.log_in()
    others = console.csrf()
    console.log_in()
    for wrong in ("", "x", others):
        assert console.post("/logout", {"csrf": wrong}).status_code == 403
    assert console.post("/logout").status_code == 303


@pytest.mark.parametrize(
    ("mode", "destination", "status"),
    [("navigate", "document", 200), ("navigate", "iframe", 403), ("no-cors", "image", 403)],
)
def test_another_site_links_to_a_page_but_does_not_embed_it(
    console: ConsoleClient, mode: str, destination: str, status: int
) -> None:
    console.log_in()
    headers = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": mode,
        "Sec-Fetch-Dest": destination,
    }
    assert console.get("/find?q=zz", headers=headers).status_code == status


def test_the_console_takes_no_bearer_and_the_api_no_cookie(console: ConsoleClient) -> None:
    bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    assert console.get("/events", headers=bearer).status_code == 303
    console.log_in()
    assert console.client.get("/admin/v1/events").status_code == 401


# -- limits and headers


def test_console_and_api_share_few_seats(
    console: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.log_in()
    monkeypatch.setattr(limits, "MAX_REQUESTS", 0)
    answer = console.get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "<h1>flowbridge is busy</h1>" in answer.text
    assert "data-retry" in answer.text and "/retry." in answer.text


def test_a_large_form_is_refused(console: ConsoleClient) -> None:
    assert console.send_token("x" * 70_000).status_code == 413


def test_every_answer_is_for_one_browser_and_runs_nothing(console: ConsoleClient) -> None:
    answers = [console.get("/login"), console.get("/")]
    console.log_in()
    answers += [console.get("/"), console.get("/nope"), console.get("/events?x=1")]
    for answer in answers:
        sent = answer.headers
        assert "default-src 'none'; script-src 'self'" in sent["Content-Security-Policy"]
        assert "unsafe" not in sent["Content-Security-Policy"]
        assert sent["Cache-Control"] == "no-store"
        assert sent["X-Content-Type-Options"] == "nosniff"
        assert sent["Referrer-Policy"] == "same-origin"
        assert sent["Cross-Origin-Opener-Policy"] == "same-origin"
        assert sent["Cross-Origin-Resource-Policy"] == "same-origin"


def test_only_our_own_names_reach_the_console(database: Database, tmp_path: Path) -> None:
    console = ConsoleClient(database, tmp_path, private_bind=("127.0.0.1", 8081))
    private = {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8081"}
    for host, server, status in (
        ("localhost:8081", private, 200),
        ("rebound.example", private, 421),
        ("localhost:8080", {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8080"}, 404),
    ):
        answer = console.get("/login", headers={"Host": host}, environ_overrides=server)
        assert answer.status_code == status, host
