"""Fixtures: an HTTPS server on loopback whose certificate, for `localhost`, an authority of the
test's own has issued.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from time import time

import pytest
from authorities import Authority, certificate, private_pem
from cryptography.hazmat.primitives.asymmetric import ec
from servers import Misbehaving


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Who issued the server's certificate."""
    now = time()
    return Authority("An authority of ours", begins=now - 86400, ends=now + 10 * 86400)


@pytest.fixture(scope="session")
def ca_file(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of certificates for who trusts that authority alone."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    path.write_bytes(authority.pem)
    return str(path)


@pytest.fixture
def tls_server(authority: Authority, tmp_path: Path) -> Iterator[Misbehaving]:
    """The server, which does as told."""
    now = time()
    key = ec.generate_private_key(ec.SECP256R1())
    both = tmp_path / "both.pem"
    both.write_bytes(
        private_pem(key)
        + certificate("localhost", by=authority, begins=now - 86400, ends=now + 86400, key=key)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    with Misbehaving(context=context) as running:
        yield running
