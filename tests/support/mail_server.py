"""A real SMTP server on loopback (aiosmtpd), one that follows a script, and certificates of an own
authority.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER = "hooks@example.com"
PASSWORD = "s3cret/pass word"
# as a URL has them
LOGIN = f"{USER.replace('@', '%40')}:{PASSWORD.replace('/', '%2F').replace(' ', '%20')}"
USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


class MailServer:
    """Takes mail. Recipients named `unknown` and `later` are refused, and so are the sender
    `spammer` and the word `virus`.
    """

    def __init__(
        self, context: ssl.SSLContext | None = None, *, tls: bool = False, login: bool = False
    ) -> None:
        self.envelopes: list[Envelope] = []
        self.encrypted: list[bool] = []  #: of each mail
        self.logins: list[str] = []  #: user names that were accepted
        self.tried = 0
        self._smtp: dict[str, Any] = {
            "hostname": "mail.test",
            "tls_context": None if tls else context,
        }
        if login:
            self._smtp |= {
                "authenticator": self._authenticate,
                "auth_required": True,
                "auth_require_tls": context is not None and not tls,
            }
        self._context = context if tls else None
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port = 0

    @property
    def mails(self) -> list[EmailMessage]:
        return [parsed(one) for one in self.envelopes]

    def __enter__(self) -> MailServer:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(self._protocol, "127.0.0.1", 0, ssl=self._context)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    def _protocol(self) -> SMTP:
        with warnings.catch_warnings():
            # it warns of logins without TLS, which is what is tested
            warnings.simplefilter("ignore")
            return SMTP(self, loop=self._loop, **self._smtp)

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        self.tried += 1
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (
            USER.encode(),
            PASSWORD.encode(),
        )
        if right:
            self.logins.append(data.login.decode())
        return AuthResult(success=right, handled=False)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("spammer"):
            return "550 we do not know you"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("unknown"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later"):
            return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if b"virus" in envelope.content:
            return "554 5.7.1 that is no mail"
        self.envelopes.append(envelope)
        self.encrypted.append(session.ssl is not None or self._context is not None)
        return "250 OK"


def parsed(envelope: Envelope) -> EmailMessage:
    message = message_from_bytes(envelope.content, policy=policy.SMTP)
    assert isinstance(message, EmailMessage)
    return message


@contextmanager
def scripted(*steps: bytes | Callable[[socket.socket], object]) -> Iterator[int]:
    """Run a server that says one step after each line it is told, the first at once, and then
    closes; yield its port.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock, sock.makefile("rb") as lines:
                sock.settimeout(60)
                for number, step in enumerate(steps):
                    if number and not lines.readline():
                        return
                    step(sock) if callable(step) else sock.sendall(step)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(60)
        assert not thread.is_alive()


def make_certificates(folder: Path) -> tuple[Path, Path]:
    """Make an authority, and a certificate and key of localhost by it; return (authority, both of
    the server).
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def certificate(name: str, issuer: str, key: Any, by: Any, *, ca: bool) -> x509.Certificate:
        def called(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

        now = datetime.now(UTC)
        known = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = x509.CertificateBuilder(
            called(issuer), called(name), key.public_key(), x509.random_serial_number()
        )
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(
            now + timedelta(days=1)
        )
        builder = builder.add_extension(
            x509.BasicConstraints(ca=ca, path_length=None), critical=True
        )
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False
        )
        uses = {one: one == ("key_cert_sign" if ca else "digital_signature") for one in USES}
        builder = builder.add_extension(x509.KeyUsage(**uses), critical=True)
        if not ca:
            builder = builder.add_extension(x509.SubjectAlternativeName(known), critical=False)
        return builder.sign(by, hashes.SHA256())

    authority = ec.generate_private_key(ec.SECP256R1())
    server = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    private = server.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "authority.pem").write_bytes(
        certificate("authority", "authority", authority, authority, ca=True).public_bytes(pem)
    )
    (folder / "server.pem").write_bytes(
        certificate("server", "authority", server, authority, ca=False).public_bytes(pem) + private
    )
    return folder / "authority.pem", folder / "server.pem"
