"""Logins: a token for each server, checked, and stored for its user only."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import run
from servers import Misbehaving, respond

from bridge.cli.remote import stored_logins
from bridge.cli.remote.stored_logins import MAX_FILE_BYTES, StoredLogins
from bridge.core.errors import SettingsError

API = {"version": "9.9", "token": "laptop", "scopes": ["read", "bodies"]}
TOKEN = "fb_0123456789"


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with Misbehaving() as running:
        running.script("/admin/v1/", respond(200, API))
        for name in ("events", "deliveries"):
            running.script(f"/admin/v1/{name}", respond(200, {"items": [], "next": None}))
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder without a project, with a config folder below it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("FLOWBRIDGE_TOKEN", "FLOWBRIDGE_SERVER"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def file_of(home: Path) -> Path:
    return home / "config" / "flowbridge" / "logins.json"


def url_of(server: Misbehaving) -> str:
    return server.url


def test_a_login_is_checked_stored_and_used(server: Misbehaving, home: Path) -> None:
    url = url_of(server)
    done = run("login", f"{url}/", input=f"{TOKEN}\n")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"Logged in to {url} (flowbridge 9.9) as laptop: read, bodies.\n"
    assert TOKEN not in done.stdout + done.stderr
    assert server.received[0].path == "/admin/v1/"
    assert stat.S_IMODE(file_of(home).stat().st_mode) == 0o600
    assert stat.S_IMODE(file_of(home).parent.stat().st_mode) == 0o700
    listed = run("--server", url, "events")
    assert (listed.exit_code, listed.stdout) == (0, "")
    assert server.received[-1].headers["authorization"] == f"Bearer {TOKEN}"
    assert sorted(one.name for one in home.iterdir()) == ["config"]


def test_a_login_for_one_server_is_used_for_no_other(server: Misbehaving) -> None:
    assert run("login", url_of(server), input=TOKEN).exit_code == 0
    for other in (f"http://localhost:{server.port}", "http://127.0.0.1:1", "https://127.0.0.1"):
        done = run("--server", other, "events")
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"there is no token for {other}" in done.stderr
    assert len(server.received) == 1


def test_the_variables_take_the_place_of_options(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWBRIDGE_SERVER", url_of(server))
    monkeypatch.setenv("FLOWBRIDGE_TOKEN", "of-the-variable")
    assert run("deliveries", "--json").exit_code == 0
    assert server.received[0].headers["authorization"] == "Bearer of-the-variable"
    assert run("serve").exit_code == 2
    assert run("serve", "--help").exit_code == 0
    assert run("schema").exit_code == 0
    assert run("completion", "bash").exit_code == 0
    assert run("--server", "", "events").exit_code == 2
    late = run("events", "--server", "https://a.example.com")
    assert "--server goes before the command: group --server URL events" in late.stderr
    assert "valid UTF-8" in run("events", "--body", "\udcff").stderr


def test_the_next_step_after_a_refusal_changes_the_token_that_was_sent(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = url_of(server)
    refused = respond(401, {"type": "urn:x:unauthorized", "detail": "no"})
    server.script("/admin/v1/deliveries", refused, refused)
    monkeypatch.setenv("FLOWBRIDGE_SERVER", url)
    monkeypatch.setenv("FLOWBRIDGE_TOKEN", "of-the-variable")
    assert run("deliveries").stderr.endswith(
        f". Next: set another FLOWBRIDGE_TOKEN, or unset it and: flowbridge login {url}\n"
    )
    monkeypatch.delenv("FLOWBRIDGE_TOKEN")
    run("login", url, input=TOKEN)
    assert run("deliveries").stderr.endswith(f"no. Next: flowbridge login {url}\n")


def test_a_refused_token_is_not_stored(server: Misbehaving, home: Path) -> None:
    server.script("/admin/v1/", respond(401, {"type": "urn:x:unauthorized", "detail": "no"}))
    done = run("login", url_of(server), input=TOKEN)
    assert (done.exit_code, done.stdout) == (1, "")
    assert not file_of(home).exists()


@pytest.mark.parametrize("text", ["", "\n", "a b\n", "é\n", "a\x00b\n", "x" * 1001])
def test_a_text_that_is_no_token_is_not_sent(server: Misbehaving, text: str) -> None:
    done = run("login", url_of(server), input=text)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "visible ASCII characters" in done.stderr
    assert server.received == []


def test_a_plain_url_gets_no_token() -> None:
    done = run("login", "http://bridge.example.com", input=TOKEN)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no token is sent to bridge.example.com over plain HTTP" in done.stderr


def test_logout_deletes_one_login(server: Misbehaving, home: Path) -> None:
    logins = StoredLogins.of_user(os.environ)
    logins.add("https://other.example.com", "other")
    run("login", url_of(server), "--json", input=TOKEN)
    assert run("logout", url_of(server)).exit_code == 0
    assert run("logout", url_of(server)).exit_code == 1
    assert json.loads(file_of(home).read_bytes())["logins"] == {
        "https://other.example.com": "other"
    }
    assert stat.S_IMODE(file_of(home).stat().st_mode) == 0o600


def test_a_file_that_others_can_read_is_refused(home: Path) -> None:
    logins = StoredLogins.of_user(os.environ)
    logins.add("https://a.example.com", "token")
    file_of(home).chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        logins.find_token("https://a.example.com")


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"logins": []}', b"{" * MAX_FILE_BYTES])
def test_a_broken_file_says_what_to_do(home: Path, raw: bytes) -> None:
    logins = StoredLogins.of_user(os.environ)
    logins.add("https://a.example.com", "token")
    file_of(home).write_bytes(raw)
    with pytest.raises(SettingsError, match="delete it"):
        logins.find_token("https://a.example.com")


def test_a_full_disk_leaves_no_token_behind_and_the_earlier_logins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    logins = StoredLogins(tmp_path / "logins")
    logins.add("https://a.example", "first")
    monkeypatch.setattr(stored_logins.os, "fsync", refuse)
    with pytest.raises(SettingsError, match="cannot be written: No space left on device"):
        logins.add("https://a.example", TOKEN)
    assert logins.find_token("https://a.example") == "first"
    assert [one.name for one in logins.path.parent.iterdir()] == ["logins.json"]


def test_a_config_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be written: Not a directory"):
        StoredLogins(tmp_path / "file" / "logins").add("https://a.example", TOKEN)
