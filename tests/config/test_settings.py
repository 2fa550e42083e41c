"""Settings: what each variable may hold, where defaults come from, and a secret key that is made
once.
"""

# ruff: noqa: S104 - to all interfaces is what is being tested

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest
from command_line import run

from bridge.config.addresses import is_loopback
from bridge.config.settings import Settings, load_settings
from bridge.core.errors import SettingsError
from bridge.services.config_checks.misnamed_variables import find_misnamed_variables


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(**environ: str) -> Settings:
    return load_settings({f"FLOWBRIDGE_{name.upper()}": value for name, value in environ.items()})


def test_the_defaults(folder: Path) -> None:
    settings = load_settings({})
    assert (settings.config, settings.data, settings.bind, settings.private_bind) == (
        Path("routes.yaml"),
        folder / "data",
        ("127.0.0.1", 8080),
        None,
    )
    assert settings.database_url == f"sqlite:///{folder / 'data' / 'flowbridge.db'}"
    assert (settings.expose, settings.public_url, settings.trusted_proxies, settings.log) == (
        frozenset(),
        "",
        (),
        "info",
    )
    assert settings.local_base_url == "http://127.0.0.1:8080/api/v1"


def test_backups(folder: Path) -> None:
    assert (made().backups, made().backup_every, made().backup_keep) == (
        folder / "data" / "backups",
        None,
        7,
    )
    chosen = made(backup="daily", backups="elsewhere", backup_keep="30")
    assert (chosen.backups, chosen.backup_every, chosen.backup_keep) == (
        folder / "elsewhere",
        86400.0,
        30,
    )
    for environ, what in (
        (
            {"backup": "often"},
            "FLOWBRIDGE_BACKUP: unknown value 'often'; allowed: off, hourly, daily, weekly",
        ),
        ({"backup_keep": "0"}, "FLOWBRIDGE_BACKUP_KEEP: '0' is not a number of backups"),
        (
            {"backup": "daily", "database_url": "postgresql://x/y", "secret_key": "k" * 32},
            "FLOWBRIDGE_BACKUP is for SQLite",
        ),
    ):
        with pytest.raises(SettingsError, match=what):
            made(**environ)


def test_an_empty_variable_is_an_unset_one() -> None:
    names = [
        "BACKUP",
        "BACKUPS",
        "BACKUP_KEEP",
        "CONFIG",
        "DATA",
        "DATABASE_URL",
        "BIND",
        "PRIVATE_BIND",
        "EXPOSE",
        "PUBLIC_URL",
        "TRUSTED_PROXIES",
        "LOG",
        "LOG_ADDRESSES",
        "ENGINE",
        "BROKER_URL",
        "SECRET_KEY",
        "LOCAL_API_KEY",
        "LOCAL_USER_ID",
    ]
    empty = load_settings({f"FLOWBRIDGE_{name}": "" for name in names})
    default = load_settings({})
    assert {
        name: getattr(empty, name) for name in empty.__slots__ if name not in ("environ", "own")
    } == {
        name: getattr(default, name) for name in default.__slots__ if name not in ("environ", "own")
    }


def test_flows_do_not_get_the_token_of_another_bridge() -> None:
    found = made(token="fb_of-another-bridge", server="https://bridge.example.com")
    assert "fb_of-another-bridge" in found.environ.values()
    assert "fb_of-another-bridge" not in found.flow_environ.values()


@pytest.mark.parametrize(
    ("text", "address", "url"),
    [
        ("127.0.0.1:9000", ("127.0.0.1", 9000), "http://127.0.0.1:9000/api/v1"),
        ("[::1]:9000", ("::1", 9000), "http://[::1]:9000/api/v1"),
        ("0.0.0.0:80", ("0.0.0.0", 80), "http://127.0.0.1:80/api/v1"),
        ("[::]:80", ("::", 80), "http://[::1]:80/api/v1"),
        (":80", ("0.0.0.0", 80), "http://127.0.0.1:80/api/v1"),
        ("localhost:1", ("localhost", 1), "http://localhost:1/api/v1"),
    ],
)
def test_addresses(text: str, address: tuple[str, int], url: str) -> None:
    assert (made(bind=text).bind, made(bind=text).local_base_url) == (address, url)
    both = made(bind="192.0.2.1:80", private_bind=text)
    assert (both.private_bind, both.local_base_url) == (address, url)


@pytest.mark.parametrize("name", ["bind", "private_bind"])
@pytest.mark.parametrize(
    "text",
    [
        "8080",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:-1",
        "127.0.0.1:65536",
        "127.0.0.1:²",
        "http://127.0.0.1:80",
        "::1",
        "a b:80",
        "unix:/run/x",
    ],
)
def test_what_is_no_address_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"FLOWBRIDGE_{name.upper()}.*HOST:PORT"):
        made(**{name: text})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("expose", "api,hooks", "'hooks' cannot be exposed; allowed: admin, api, console, metrics"),
        ("expose", "API", "'API' cannot be exposed"),
        ("trusted_proxies", "10.0.0.0/8, proxy.example", "proxy.example"),
        ("trusted_proxies", "10.0.0.0/33", "10.0.0.0/33"),
        ("log_addresses", "hashed", "unknown value 'hashed'; allowed: full, truncated, none"),
        ("log", "verbose", "'verbose' is not a log level; allowed: debug, info, warning, error"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_can(name: str, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        made(**{name: text})
    assert f"FLOWBRIDGE_{name.upper()}" in str(error.value)
    assert said in str(error.value)


def test_what_can_be_used() -> None:
    settings = made(
        expose=" api ,console,",
        trusted_proxies="10.0.0.1/8, ::1",
        log="WARNING",
        public_url="https://x.example/",
    )
    assert settings.expose == {"api", "console"}
    assert [str(one) for one in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert (settings.log, settings.public_url) == ("warning", "https://x.example")


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.255.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("example.com", False),
        ("", False),
        ("127.1", False),
    ],
)
def test_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local


# -- .env


def test_the_env_file_beside_the_config_is_read_and_the_environment_wins(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / ".env").write_text(
        'FLOWBRIDGE_LOG=debug\nFLOWBRIDGE_BIND=127.0.0.1:1\nGITHUB="a # b"\nEMPTY=\nNOTHING\n'
    )
    (folder / ".env").write_text("FLOWBRIDGE_LOG=error\n")
    settings = load_settings({"FLOWBRIDGE_BIND": "127.0.0.1:2"}, config="elsewhere/routes.yaml")
    assert (settings.log, settings.bind) == ("debug", ("127.0.0.1", 2))
    assert (settings.environ["GITHUB"], settings.environ["EMPTY"]) == ("a # b", "")
    assert "NOTHING" not in settings.environ


def test_an_option_wins_over_the_environment() -> None:
    settings = load_settings(
        {"FLOWBRIDGE_BIND": "127.0.0.1:1", "FLOWBRIDGE_CONFIG": "a.yaml"},
        config="b.yaml",
        bind="127.0.0.1:2",
    )
    assert (settings.config, settings.bind) == (Path("b.yaml"), ("127.0.0.1", 2))


# -- the secret key


def test_the_secret_key_is_made_once_for_its_owner_alone(folder: Path) -> None:
    first = load_settings({})
    second = load_settings({})
    kept = folder / "data" / "secret_key"
    assert first.secret_key == second.secret_key == kept.read_text()
    assert len(first.secret_key) == 64
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [one.name for one in (folder / "data").iterdir()] == ["secret_key"]


def test_the_local_credentials_follow_from_the_key() -> None:
    first = made(secret_key="k" * 32)
    second = made(secret_key="k" * 32)
    other = made(secret_key="l" * 32)
    assert (first.local_api_key, first.local_user_id) == (
        second.local_api_key,
        second.local_user_id,
    )
    assert not {first.local_api_key, first.local_user_id} & {
        other.local_api_key,
        other.local_user_id,
        first.secret_key,
    }
    assert (len(first.local_api_key), len(first.local_user_id)) == (32, 28)
    assert made(secret_key="k" * 32, local_api_key="mine").local_api_key == "mine"


def test_no_repr_tells_a_secret() -> None:
    settings = load_settings(
        {
            "FLOWBRIDGE_SECRET_KEY": "hunter2" * 6,
            "FLOWBRIDGE_LOCAL_API_KEY": "hunter3",
            "GITHUB": "hunter4",
        }
    )
    assert "hunter" not in repr(settings)


def _load(_: int) -> str:
    return load_settings({}).secret_key


@pytest.mark.usefixtures("new_processes")
def test_of_many_that_make_the_key_at_once_one_wins_for_all(folder: Path) -> None:
    with multiprocessing.get_context("fork").Pool(6) as pool:
        keys = pool.map(_load, range(24), chunksize=1)
    assert set(keys) == {(folder / "data" / "secret_key").read_text()}


@pytest.mark.parametrize(
    "url",
    ["postgresql://u@h/d", "postgresql+psycopg://u@h/d", "postgresql:///d?host=/run/postgresql"],
)
def test_postgresql_needs_the_key_of_all_machines(folder: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="FLOWBRIDGE_SECRET_KEY is not set"):
        made(database_url=url)
    assert not (folder / "data").exists()
    assert made(database_url=url, secret_key="k" * 32).database_url == url


def test_a_key_that_cannot_be_kept_is_an_error_that_says_so(folder: Path) -> None:
    (folder / "data").write_text("a file where the folder should be")
    with pytest.raises(SettingsError, match="data"):
        load_settings({})


def test_a_key_file_that_is_empty_is_no_key(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "secret_key").write_text("\n")
    with pytest.raises(SettingsError, match="secret_key"):
        load_settings({})


@pytest.mark.parametrize(
    "url",
    [
        "hooks.example.com",
        "hooks.example.com:8080",
        "ftp://hooks.example.com",
        "https://",
        "https://a:x/",
    ],
)
def test_a_public_url_is_a_url(url: str) -> None:
    assert (
        load_settings(
            {"FLOWBRIDGE_PUBLIC_URL": "https://hooks.example.com/in/"}, secrets=False
        ).public_url
        == "https://hooks.example.com/in"
    )
    with pytest.raises(SettingsError, match="FLOWBRIDGE_PUBLIC_URL needs a URL"):
        load_settings({"FLOWBRIDGE_PUBLIC_URL": url}, secrets=False)


def test_a_variable_that_is_called_as_a_setting_and_is_none_is_said(folder: Path) -> None:
    environ = {
        "FLOWBRIDGE_PUBLIC_UR": "https://secret.example.com",
        "FLOWBRIDGE_MINE": "x",
        "FLOWBRIDGE_ODD": "y",
        "FLOWBRIDGE_LOG": "",
    }
    said = find_misnamed_variables(
        load_settings(environ, secrets=False), '{"secret":"${env:FLOWBRIDGE_MINE}"}'
    )
    assert said == [
        "FLOWBRIDGE_ODD is not a setting of flowbridge, and routes.yaml does not refer to it",
        "FLOWBRIDGE_PUBLIC_UR is not a setting of flowbridge; did you mean `FLOWBRIDGE_PUBLIC_URL`?",
    ]
    (folder / "routes.yaml").write_text("version: 1\n")
    (folder / ".env").write_text("FLOWBRIDGE_PUBLIC_UR=https://secret.example.com\n")
    checked = run("check")
    assert (
        checked.exit_code == 0
        and f"note: {said[1]}" in checked.stderr
        and "secret" not in checked.stderr
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("60", 60.0), ("2.5s", 2.5), ("5m", 300.0), ("1h", 3600.0)]
)
def test_a_length_of_time_is_written_as_in_routes_yaml_or_as_seconds(
    text: str, seconds: float
) -> None:
    assert (
        load_settings(
            {"FLOWBRIDGE_RECONCILE_AFTER": text, "FLOWBRIDGE_DATA": "/nowhere"}, secrets=False
        ).reconcile_after
        == seconds
    )


@pytest.mark.parametrize("text", ["soon", "5 days", "-1", "1e3"])
def test_what_is_no_length_of_time_is_said(text: str) -> None:
    with pytest.raises(
        SettingsError,
        match=r"FLOWBRIDGE_RECONCILE_AFTER: .* is not a duration; allowed: 60, 60s or 5m",
    ):
        load_settings(
            {"FLOWBRIDGE_RECONCILE_AFTER": text, "FLOWBRIDGE_DATA": "/nowhere"}, secrets=False
        )
