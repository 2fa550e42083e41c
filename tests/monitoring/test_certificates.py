"""The certificate of the public URL: how long it lasts, whether it is trusted, when that is looked
at, and when it is pointed out.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import certifi
import pytest
from authorities import Authority, certificate, private_pem
from cryptography.hazmat.primitives.asymmetric import ec
from overviews import WELL
from servers import Misbehaving, refusing

from bridge.config.settings import load_settings
from bridge.core.status import UrlCertificate
from bridge.core.timings import TIMINGS
from bridge.monitoring import certificate as tls_certificate
from bridge.monitoring.conditions import find_problems
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.worker.maintenance.jobs import JobContext, check_certificate

DAY = 86400.0
URL = "https://hooks.example.com"


@contextmanager
def shown(by: Authority | None, folder: Path, begins: float, ends: float) -> Iterator[Misbehaving]:
    """Run a server that shows a certificate of `localhost`, valid between so many days from now."""
    now = time.time()
    key = ec.generate_private_key(ec.SECP256R1())
    both = folder / "both.pem"
    both.write_bytes(
        private_pem(key)
        + certificate("localhost", by=by, begins=now + begins * DAY, ends=now + ends * DAY, key=key)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    with Misbehaving(context=context) as server:
        yield server


@pytest.fixture
def trusted(ca_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certifi, "where", lambda: ca_file)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("host", "is_ours", "ends", "refused"),
    [
        ("localhost", True, 5, None),
        ("localhost", True, -0.5, "certificate has expired"),
        ("127.0.0.1", True, 5, "IP address mismatch"),
        ("localhost", False, 5, "self-signed certificate"),
    ],
)
def test_its_dates_are_seen_whoever_issued_it(
    authority: Authority, tmp_path: Path, host: str, is_ours: bool, ends: float, refused: str | None
) -> None:
    with shown(authority if is_ours else None, tmp_path, -1, ends) as server:
        found = tls_certificate.check_certificate(f"https://{host}:{server.port}")
    assert found.ends_at == pytest.approx(
        time.time() + ends * DAY, abs=60
    ) and found.begins_at == pytest.approx(time.time() - DAY, abs=60)
    assert (found.host, found.unreached) == (f"{host}:{server.port}", None)
    assert (found.refused or "").replace("self signed", "self-signed").startswith(
        refused or "\0"
    ) or found.refused is refused


def test_what_cannot_be_reached_is_said_and_what_was_seen_is_kept(tmp_path: Path) -> None:
    with Misbehaving() as silent:
        url = f"https://127.0.0.1:{silent.port}"
        assert "timed out" in (tls_certificate.check_certificate(url, 0.2).unreached or "")
    with refusing() as port:
        url = f"https://127.0.0.1:{port}"
        found = tls_certificate.check_certificate(url)
    assert (found.unreached, found.ends_at, found.refused) == ("Connection refused", None, None)
    assert tls_certificate.load_certificate(tmp_path, url) is None
    tls_certificate.store_certificate(tmp_path, found)
    assert tls_certificate.load_certificate(tmp_path, url) == found
    seen = UrlCertificate(url=url, looked_at=1.0, begins_at=1.0, ends_at=2.0, refused="a reason")
    tls_certificate.store_certificate(tmp_path, seen)
    tls_certificate.store_certificate(tmp_path, found)
    assert tls_certificate.load_certificate(tmp_path, url) == replace(
        seen, looked_at=found.looked_at, unreached="Connection refused"
    )
    assert tls_certificate.load_certificate(tmp_path, URL) is None, "it is of another URL"
    (tmp_path / tls_certificate.STATE_FILE).write_bytes(b'{"url": "')
    assert tls_certificate.load_certificate(tmp_path, url) is None


@pytest.mark.usefixtures("trusted")
def test_it_is_looked_at_once_in_six_hours_whoever_is_started(
    authority: Authority, sqlite: Database, tmp_path: Path
) -> None:
    config = Config(sources={}, routes=(), flows={}, platforms={}, hash="", canonical="")
    environ = {"FLOWBRIDGE_DATA": str(tmp_path), "FLOWBRIDGE_SECRET_KEY": "k" * 32}

    def see(url: str) -> int:
        settings = load_settings({**environ, "FLOWBRIDGE_PUBLIC_URL": url})
        return check_certificate(JobContext(settings, config, sqlite, 0.0, threading.Event()))[
            "looked"
        ]

    with shown(authority, tmp_path, -1, 5) as server:
        url = f"https://localhost:{server.port}"
        assert [see(url), see(url), server.connections] == [1, 0, 1]
        known = tls_certificate.load_certificate(tmp_path, url)
        assert known is not None and known.ends_at is not None
        tls_certificate.store_certificate(
            tmp_path, replace(known, looked_at=time.time() - TIMINGS.certificate_check_seconds)
        )
        assert [see(url), see(url), server.connections] == [1, 0, 2]
        tls_certificate.store_certificate(tmp_path, replace(known, looked_at=time.time() + 60))
        assert see(url) == 1, "the clock was set back"
        assert [see("http://localhost"), see("")] == [0, 0]


SEEN = UrlCertificate(
    url=URL, looked_at=WELL.at, begins_at=WELL.at - 60 * DAY, ends_at=WELL.at + 30 * DAY
)
SHORT = replace(SEEN, begins_at=WELL.at - 3 * DAY, ends_at=WELL.at + 3 * DAY)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (None, []),
        (SEEN, []),
        (replace(SEEN, ends_at=WELL.at + 14.5 * DAY), []),
        (
            replace(SEEN, ends_at=WELL.at + 13 * DAY),
            ["certificate expires in 13.0 days, and was not renewed"],
        ),
        (
            replace(SEEN, ends_at=WELL.at + 2 * DAY),
            [
                "certificate_urgent expires in 2.0 days: senders refuse it then",
                "certificate expires in 2.0 days",
            ],
        ),
        (
            replace(SEEN, ends_at=WELL.at - 1),
            ["certificate_urgent has expired: senders", "certificate has expired"],
        ),
        (
            replace(SEEN, refused="it is for another"),
            ["certificate_urgent is not trusted; senders refuse it: it is for another"],
        ),
        (
            replace(SEEN, ends_at=WELL.at - 1, refused="it has expired"),
            [
                "certificate_urgent is not trusted; senders refuse it: it has expired",
                "certificate has expired, and was not renewed",
            ],
        ),
        (UrlCertificate(url=URL, looked_at=WELL.at, unreached="Connection refused"), []),
        (SHORT, []),  # for six days, renewed at half of them
        (replace(SHORT, ends_at=WELL.at + 0.9 * DAY), ["certificate expires in 0.9 days"]),
        (
            replace(SHORT, ends_at=WELL.at + 0.2 * DAY),
            ["certificate_urgent expires in 0.2 days", "certificate expires in 0.2 days"],
        ),
    ],
)
def test_when_it_is_pointed_out(seen: UrlCertificate | None, told: list[str]) -> None:
    found = find_problems(replace(WELL, certificate=seen))
    assert len(found) == len(told)
    for one, expected in zip(found, told, strict=True):
        assert (
            one.key == f"{one.condition}:hooks.example.com"
            and one.do.sentence == "renew it; flowbridge doctor"
        )
        assert f"{one.condition} {one.what.removeprefix('the certificate of hooks.example.com ')}".startswith(
            expected
        )
