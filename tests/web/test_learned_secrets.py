"""Learned secrets: taken once, only while somebody waits, kept sealed, and then what the sender
signs with.
"""

from __future__ import annotations

import hmac
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from forking import Forked
from processes import call_here, environment, running
from serving import Bridge, until

from bridge.core.errors import SettingsError
from bridge.store.db.database import Database
from bridge.store.encryption import sealer_for_secrets
from bridge.store.inbound import learned_secrets
from bridge.web.receiving import dry_run

pytestmark = pytest.mark.usefixtures("new_processes")

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources: {asana: {provider: asana}, notion: {provider: notion}, github: {provider: github, secret: "${env:GITHUB_SECRET}"}}
routes: [{name: all, on: asana, inputs: {a: "${body.action}"}, flow: local/echo}]
"""
FIRST = "0" * 31 + "1"
SECOND = "0" * 31 + "2"
BODY = json.dumps(
    {"events": [{"action": "changed", "resource": {"gid": "1", "resource_type": "task"}}]}
).encode()


@pytest.fixture
def bridge(tmp_path: Path, new_processes: None) -> Iterator[Bridge]:
    with Bridge(tmp_path, routes=ROUTES, environ={"FLOWBRIDGE_SECRET_KEY": "k" * 40}) as bridge:
        yield bridge


def signed(secret: str, body: bytes = BODY) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "X-Hook-Signature": hmac.digest(secret.encode(), body, "sha256").hex(),
    }


@contextmanager
def learning(bridge: Bridge, source: str) -> Iterator[Forked]:
    with running(bridge.folder, "learn", source, "--for", "10m", environ=bridge.environ) as process:
        until(
            lambda: learned_secrets.find(bridge.database, source).until, what="the source to learn"
        )
        yield process


def test_a_secret_is_taken_once_while_someone_waits_and_kept_sealed(bridge: Bridge) -> None:
    handshake = {"X-Hook-Secret": FIRST}
    assert bridge.post("/hooks/asana", b"{}", handshake).status == 401, "nobody lets it learn"
    assert bridge.count("reject") == 0, "a copy would hold the secret"
    with learning(bridge, "asana") as waiting:
        answer = bridge.post("/hooks/asana", b"{}", handshake)
        assert (
            answer.status == 200
            and {name.lower(): value for name, value in answer.headers.items()}["x-hook-secret"]
            == FIRST
        )
        _, said = waiting.communicate(timeout=60)
        assert waiting.returncode == 0 and "Secret received" in said and FIRST not in said
    assert bridge.post("/hooks/asana", b"{}", {"X-Hook-Secret": SECOND}).status == 401, "only once"
    assert bridge.post("/hooks/asana", BODY, signed(FIRST)).status == 200
    assert bridge.post("/hooks/asana", BODY, signed(SECOND)).status == 401
    assert bridge.count("event") == 1
    assert FIRST.encode() not in (bridge.folder / "data" / "flowbridge.db").read_bytes()
    assert FIRST not in bridge.stderr


def test_a_source_of_another_machine_learns(bridge: Bridge, tmp_path: Path) -> None:
    def add_token(name: str, scope: str) -> dict[str, str]:
        made = call_here(
            bridge.folder, "token", "add", name, "--scope", scope, environ=bridge.environ
        )
        return environment(FLOWBRIDGE_TOKEN=made.stdout.strip())

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    server = ("--server", f"http://127.0.0.1:{bridge.port}")
    admin = add_token("admin", "admin")
    learn = (*server, "learn", "asana", "--for", "10m")
    with running(elsewhere, *learn, environ=admin) as waiting:
        until(
            lambda: learned_secrets.find(bridge.database, "asana").until, what="the source to learn"
        )
        assert bridge.post("/hooks/asana", b"{}", {"X-Hook-Secret": FIRST}).status == 200
        out, said = waiting.communicate(timeout=60)
    assert (waiting.returncode, out) == (0, "")
    assert f"at http://127.0.0.1:{bridge.port}/hooks/asana\n" in said and "Secret received" in said
    assert bridge.post("/hooks/asana", BODY, signed(FIRST)).status == 200
    late = call_here(elsewhere, *server, "learn", "asana", "--for", "1s", environ=admin)
    assert (late.returncode, late.stdout) == (1, "") and "No secret was received" in late.stderr
    assert learned_secrets.find(bridge.database, "asana").until is None
    reader = add_token("reader", "read")
    for source, environ, code, text in (
        ("notion", admin, 2, "the secret of notion must be entered at the sender"),
        ("github", admin, 1, "GitHub does not deliver a secret"),
        ("asana", reader, 1, "this needs the scope `admin`"),
    ):
        wrong = call_here(elsewhere, *server, "learn", source, environ=environ)
        assert (wrong.returncode, wrong.stdout) == (code, "") and text in wrong.stderr
    long = call_here(elsewhere, *server, "learn", "asana", "--for", "2h", environ=admin)
    assert long.returncode == 2 and "3600" in long.stderr
    assert learned_secrets.find(bridge.database, "asana").until is None


def test_a_dry_request_teaches_nothing_and_knows_what_was_learned(bridge: Bridge) -> None:
    mark = {dry_run.HEADER: dry_run.sign_token("k" * 40, "asana")}
    with learning(bridge, "asana") as waiting:
        answer = bridge.post("/hooks/asana", b"{}", {"X-Hook-Secret": FIRST, **mark})
        assert answer.status == 401 and answer.headers[dry_run.HEADER.lower()] == dry_run.DONE
        assert (
            waiting.poll() is None and learned_secrets.find(bridge.database, "asana").sealed is None
        ), "it still waits for the sender's"
        assert bridge.post("/hooks/asana", b"{}", {"X-Hook-Secret": SECOND}).status == 200
        assert waiting.wait(60) == 0
    assert bridge.post("/hooks/asana", BODY, signed(FIRST) | mark).status == 401
    assert bridge.post("/hooks/asana", BODY, signed(SECOND) | mark).status == 200
    assert bridge.count("event") == bridge.count("reject") == 0


def test_the_commands_know_what_was_learned(bridge: Bridge) -> None:
    """What came before it was learned is let in after all, and samples and the doctor sign with
    it.
    """
    target = f"http://127.0.0.1:{bridge.port}"

    def flowbridge(*arguments: str) -> subprocess.CompletedProcess[str]:
        return call_here(bridge.folder, *arguments, environ=bridge.environ)

    assert bridge.post("/hooks/asana", BODY, signed(FIRST)).status == 401
    assert "The source has no secret yet: `flowbridge learn asana`" in flowbridge("rejects").stdout
    assert "has no secret until Asana delivers it" in flowbridge("sample", "asana").stderr
    with learning(bridge, "asana") as waiting:
        assert bridge.post("/hooks/asana", b"{}", {"X-Hook-Secret": FIRST}).status == 200
        assert waiting.wait(60) == 0
    assert json.loads(
        flowbridge("rejects", "readmit", "--source", "asana", "--dry-run", "--json").stdout
    ) == {"count": 1}
    assert flowbridge("rejects", "readmit", "--source", "asana", "--yes").returncode == 0
    assert bridge.count("event") == 1
    assert flowbridge("sample", "asana", "--to", target).returncode == 0
    found = {
        (one["check"], one["of"]): one
        for one in map(
            json.loads, flowbridge("doctor", "--to", target, "--json").stdout.splitlines()
        )
    }
    assert found["good", "asana"]["result"] == found["forged body", "asana"]["result"] == "ok"
    assert found["verified", "notion"]["found"].startswith("its key is not learned yet")


def test_one_that_is_known_stays_until_another_comes(bridge: Bridge) -> None:
    for secret in (FIRST, SECOND):
        with learning(bridge, "asana") as waiting:
            if secret == SECOND:
                assert bridge.post("/hooks/asana", BODY, signed(FIRST)).status == 200, (
                    "what was learned before still counts"
                )
            assert bridge.post("/hooks/asana", b"{}", {"X-Hook-Secret": secret}).status == 200
            assert waiting.wait(60) == 0
    assert bridge.post("/hooks/asana", BODY + b" ", signed(SECOND, BODY + b" ")).status == 200
    assert bridge.post("/hooks/asana", BODY, signed(FIRST)).status == 401


def test_the_sender_that_wants_it_typed_in_gets_it_shown(bridge: Bridge) -> None:
    token = "secret_" + "t" * 40
    lesson = json.dumps({"verification_token": token}).encode()
    with learning(bridge, "notion") as waiting:
        assert (
            bridge.post("/hooks/notion", lesson, {"Content-Type": "application/json"}).status == 200
        )
        out, _ = waiting.communicate(timeout=60)
        assert out == f"{token}\n"


def test_nothing_came_is_said_and_the_window_is_shut(bridge: Bridge) -> None:
    result = call_here(bridge.folder, "learn", "asana", "--for", "1s", environ=bridge.environ)
    assert result.returncode == 1 and "No secret was received" in result.stderr
    assert learned_secrets.find(bridge.database, "asana").until is None


def test_wrong_sources_are_named(bridge: Bridge) -> None:
    other = call_here(bridge.folder, "learn", "github", environ=bridge.environ)
    assert other.returncode == 1 and "GitHub does not deliver a secret" in other.stderr
    near = call_here(bridge.folder, "learn", "asanna", environ=bridge.environ)
    assert near.returncode == 1 and "did you mean `asana`?" in near.stderr
    long = call_here(bridge.folder, "learn", "asana", "--for", "2", environ=bridge.environ)
    assert long.returncode == 2 and "is not a valid duration" in long.stderr


def test_a_lesson_counts_only_in_its_time_and_once(database: Database) -> None:
    now = time.time()
    assert not learned_secrets.store_secret(database, "a", "x", now)
    learned_secrets.allow_learning(database, "a", now - 1)
    assert not learned_secrets.store_secret(database, "a", "x", now)
    learned_secrets.allow_learning(database, "a", now + 10)
    assert learned_secrets.store_secret(
        database, "a", "x", now
    ) and not learned_secrets.store_secret(database, "a", "y", now)
    assert learned_secrets.find(database, "a") == learned_secrets.LearnedSecret(None, "x", now)
    learned_secrets.allow_learning(database, "a", None)
    assert learned_secrets.find(database, "a").sealed == "x"


def test_what_is_sealed_is_opened_with_any_of_the_keys() -> None:
    old = Fernet.generate_key().decode()
    new = Fernet.generate_key().decode()
    sealed = learned_secrets.seal(sealer_for_secrets([old], ""), "a", "geheim")
    assert "geheim" not in sealed
    assert learned_secrets.open_secret(sealer_for_secrets([new, old], ""), "a", sealed) == "geheim"
    assert learned_secrets.open_secret(sealer_for_secrets([new], ""), "a", sealed) is None
    assert learned_secrets.open_secret(sealer_for_secrets([old], ""), "b", sealed) is None, (
        "it is of another source"
    )
    derived = learned_secrets.seal(sealer_for_secrets([], "k" * 40), "a", "x")
    assert learned_secrets.open_secret(sealer_for_secrets([new], "k" * 40), "a", derived) == "x", (
        "keys that come later do not close it"
    )
    assert learned_secrets.open_secret(sealer_for_secrets([], "j" * 40), "a", derived) is None
    before = Fernet(old).encrypt(b"told long ago").decode()
    assert (
        learned_secrets.open_secret(sealer_for_secrets([new, old], ""), "a", before)
        == "told long ago"
    )
    assert learned_secrets.open_secret(sealer_for_secrets([new], ""), "a", before) is None
    for keys, secret in ((["short"], ""), ([], "")):
        with pytest.raises(SettingsError):
            sealer_for_secrets(keys, secret)
