"""Fixtures: an HTTPS server on loopback with a certificate of a test authority."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from time import time

import pytest
from authorities import Authority, certificate, private_pem
from cryptography.hazmat.primitives.asymmetric import ec
from servers import Misbehaving

from bridge.core.units import DAY


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Return the authority of the server's certificate."""
    now = time()
    return Authority("An authority of ours", begins=now - DAY, ends=now + 10 * DAY)


@pytest.fixture(scope="session")
def ca_file(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of a CA file with that authority alone."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    path.write_bytes(authority.pem)
    return str(path)


@pytest.fixture
def tls_server(authority: Authority, tmp_path: Path) -> Iterator[Misbehaving]:
    """Yield the server, whose answers the test chooses."""
    now = time()
    key = ec.generate_private_key(ec.SECP256R1())
    both = tmp_path / "both.pem"
    both.write_bytes(
        private_pem(key)
        + certificate("localhost", by=authority, begins=now - DAY, ends=now + DAY, key=key)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    with Misbehaving(context=context) as running:
        yield running
