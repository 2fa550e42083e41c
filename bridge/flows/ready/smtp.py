"""SMTP: one message to one server, which is encrypted and known by its certificate unless the
operator says otherwise.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from bridge.config.addresses import is_loopback
from bridge.delivery.platforms.responses import printable
from bridge.flows.function import FlowError
from bridge.flows.ready.environment import readable_file, variable

URL: Final = "FLOWBRIDGE_SMTP_URL"
CA: Final = "FLOWBRIDGE_SMTP_CA"
TIMEOUT: Final = 30.0  # seconds for each answer of the server
PORTS: Final = {"smtp": 587, "smtps": 465}
WANTED: Final = (
    f"{URL}: smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465 is wanted; in USER and"
    " PASSWORD write / ? # % : @ [ ] as %2F %3F %23 %25 %3A %40 %5B %5D"
)


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in. `tls`: from the first byte; `starttls`: it must be switched on
    before anything is said.
    """

    host: str
    port: int
    tls: bool
    starttls: bool
    user: str = ""
    password: str = field(default="", repr=False)


def find_server() -> Server:
    """Return the server that the environment names; FlowError, which never quotes it, where it
    cannot be used.
    """
    text = variable(URL)
    if not text:
        raise FlowError(
            f"no mail server: set {URL}, such as smtp://USER:PASSWORD@smtp.example.com:587"
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise FlowError(WANTED) from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if (
        parts.scheme not in PORTS
        or not parts.hostname
        or parts.path not in ("", "/")
        or parts.fragment
        or set(options) - {"starttls"}
    ):
        raise FlowError(WANTED)
    user = unquote(parts.username or "")
    password = unquote(parts.password or "")
    if bool(user) != bool(password) or not (user + password).isascii():
        raise FlowError(f"{WANTED}. Both are given or none, and both are ASCII")
    starttls = options.get("starttls", "yes")
    if starttls not in ("yes", "no") or (parts.scheme == "smtps" and options):
        raise FlowError(f"{URL}: ?starttls= is yes or no, and only for smtp://")
    if starttls == "no" and user and not is_loopback(parts.hostname):
        raise FlowError(
            f"{URL}: with ?starttls=no the password would travel in clear; that is allowed on this"
            " machine only"
        )
    tls = parts.scheme == "smtps"
    return Server(
        parts.hostname,
        port or PORTS[parts.scheme],
        tls,
        not tls and starttls == "yes",
        user,
        password,
    )


def deliver(server: Server, sender: str, recipients: Sequence[str], message: bytes) -> None:
    """Hand the message in for all recipients, or for none: FlowError says what the server
    refused.
    """
    context = _context() if server.tls or server.starttls else None
    with _told(server, "no connection"):
        client = _connect(server, context)
    try:
        with _told(server, "TLS failed"):
            client.ehlo_or_helo_if_needed()
            if server.starttls:
                _start_tls(client, server, context)
        with _told(server, "no login"):
            if server.user:
                client.login(server.user, server.password)
        with _told(server, "not sent"):
            _address(client, sender, recipients, len(message))
        with _told(server, "not sent, or it is not known whether it was"):
            code, said = client.data(message)
            if code != 250:
                raise smtplib.SMTPDataError(code, said)
        with suppress(smtplib.SMTPException, OSError):
            client.quit()
    finally:
        client.close()


def _context() -> ssl.SSLContext:
    import certifi

    own = readable_file(CA)
    try:
        return ssl.create_default_context(cafile=own or certifi.where())
    except ssl.SSLError:
        raise FlowError(f"{CA}: {own} holds no certificates in PEM form") from None


def _connect(server: Server, context: ssl.SSLContext | None) -> smtplib.SMTP:
    if server.tls:
        return smtplib.SMTP_SSL(
            server.host, server.port, _own_name(), timeout=TIMEOUT, context=context
        )
    return smtplib.SMTP(server.host, server.port, _own_name(), timeout=TIMEOUT)


def _own_name() -> str:
    """Return what to greet the server with: this machine's name where it can be one on the
    internet.
    """
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name) else "[127.0.0.1]"


def _start_tls(client: smtplib.SMTP, server: Server, context: ssl.SSLContext | None) -> None:
    if not client.has_extn("starttls"):
        raise FlowError(
            f"{server.host}:{server.port}: the server offers no STARTTLS, so that others could read"
            f" along; where that is right, end {URL} with ?starttls=no"
        )
    client.starttls(context=context)
    client.ehlo()


def _address(client: smtplib.SMTP, sender: str, recipients: Sequence[str], size: int) -> None:
    """Name the sender and the recipients; where one of them is refused, nothing is sent to
    anyone.
    """
    code, said = client.mail(sender, [f"SIZE={size}"] if client.has_extn("size") else [])
    if code != 250:
        raise smtplib.SMTPSenderRefused(code, said, sender)
    answers = {one: client.rcpt(one) for one in recipients}
    if refused := {one: answer for one, answer in answers.items() if answer[0] not in (250, 251)}:
        raise smtplib.SMTPRecipientsRefused(refused)


@contextmanager
def _told(server: Server, doing: str) -> Iterator[None]:
    """Turn what smtplib and the network raise into a FlowError that tells the server, the step and
    the reason, and no password.
    """
    try:
        yield
    except (smtplib.SMTPException, OSError, ValueError) as error:
        reason = _reason(error)
        if server.password:
            reason = reason.replace(server.password, "***")
        raise FlowError(f"{server.host}:{server.port}: {doing}: {reason}") from None


#: First match wins.
REASONS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (smtplib.SMTPServerDisconnected, "the server closed the connection"),
    (smtplib.SMTPNotSupportedError, "the server does not offer it"),
    (
        ssl.SSLCertVerificationError,
        f"the certificate is not to be trusted (an own authority: {CA})",
    ),
    (
        ssl.SSLError,
        (
            "TLS failed: smtps:// is for ports that speak TLS at once (465), smtp:// for the others"
            " (587)"
        ),
    ),
    (socket.gaierror, "the name was not found"),
    (ConnectionRefusedError, "the connection was refused"),
    (TimeoutError, f"no answer within {TIMEOUT:g} s"),
    (ConnectionError, "the connection was reset"),
)


def _reason(error: BaseException) -> str:
    # smtplib says of it that the connection was closed
    if isinstance(error.__context__, TimeoutError):
        error = error.__context__
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(
            f"{one} was refused: {_said(*answer)}"
            for one, answer in list(error.recipients.items())[:5]
        )
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return (
            f"the user name or the password was refused: {_said(error.smtp_code, error.smtp_error)}"
        )
    if isinstance(error, smtplib.SMTPSenderRefused):
        return f"the sender {error.sender} was refused: {_said(error.smtp_code, error.smtp_error)}"
    if isinstance(error, smtplib.SMTPResponseException):
        return _said(error.smtp_code, error.smtp_error)
    return next(
        (text for kind, text in REASONS if isinstance(error, kind)),
        "the server's answer makes no sense",
    )


def _said(code: int, text: bytes | str) -> str:
    return printable(
        f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"
    )
