"""SMTP client of flows: one message to one server.

The connection is encrypted and the certificate verified, unless the operator configures otherwise.
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
from bridge.flows.errors import FlowError
from bridge.flows.ready.environment import read_file_path, read_variable

URL_SETTING: Final = "FLOWBRIDGE_SMTP_URL"
SMTP_CA_SETTING: Final = "FLOWBRIDGE_SMTP_CA"
SMTP_TIMEOUT_SECONDS: Final = 30.0  # seconds for each answer
DEFAULT_PORTS: Final = {"smtp": 587, "smtps": 465}
URL_FORMAT: Final = (
    f"{URL_SETTING}: use smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465; in"
    " USER and PASSWORD write / ? # % : @ [ ] as %2F %3F %23 %25 %3A %40 %5B %5D"
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """The mail server.

    `tls`: TLS from the first byte; `starttls`: STARTTLS is required before anything else.
    """

    host: str
    port: int
    tls: bool
    starttls: bool
    user: str = ""
    password: str = field(default="", repr=False)


def find_server() -> MailServer:
    """Return the server of the environment. Errors never quote the URL."""
    text = read_variable(URL_SETTING)
    if not text:
        raise FlowError(
            f"no mail server: set {URL_SETTING}, such as smtp://USER:PASSWORD@smtp.example.com:587"
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise FlowError(URL_FORMAT) from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if (
        parts.scheme not in DEFAULT_PORTS
        or not parts.hostname
        or parts.path not in ("", "/")
        or parts.fragment
        or set(options) - {"starttls"}
    ):
        raise FlowError(URL_FORMAT)
    user = unquote(parts.username or "")
    password = unquote(parts.password or "")
    if bool(user) != bool(password) or not (user + password).isascii():
        raise FlowError(f"{URL_FORMAT}. Set both or neither, in ASCII")
    starttls = options.get("starttls", "yes")
    if starttls not in ("yes", "no") or (parts.scheme == "smtps" and options):
        raise FlowError(f"{URL_SETTING}: ?starttls= must be yes or no, and is for smtp:// only")
    if starttls == "no" and user and not is_loopback(parts.hostname):
        raise FlowError(
            f"{URL_SETTING}: ?starttls=no would send the password unencrypted, which is allowed"
            " on this machine only"
        )
    tls = parts.scheme == "smtps"
    return MailServer(
        parts.hostname,
        port or DEFAULT_PORTS[parts.scheme],
        tls,
        not tls and starttls == "yes",
        user,
        password,
    )


def deliver(server: MailServer, sender: str, recipients: Sequence[str], message: bytes) -> None:
    """Send the message to all recipients or to none. FlowError has the server's reason."""
    context = _context() if server.tls or server.starttls else None
    with _flow_errors(server, "no connection"):
        client = _connect(server, context)
    try:
        with _flow_errors(server, "TLS failed"):
            client.ehlo_or_helo_if_needed()
            if server.starttls:
                _start_tls(client, server, context)
        with _flow_errors(server, "no login"):
            if server.user:
                client.login(server.user, server.password)
        with _flow_errors(server, "not sent"):
            _address(client, sender, recipients, len(message))
        with _flow_errors(server, "not sent, or the outcome is unknown"):
            code, said = client.data(message)
            if code != 250:
                raise smtplib.SMTPDataError(code, said)
        with suppress(smtplib.SMTPException, OSError):
            client.quit()
    finally:
        client.close()


def _context() -> ssl.SSLContext:
    import certifi

    own = read_file_path(SMTP_CA_SETTING)
    try:
        return ssl.create_default_context(cafile=own or certifi.where())
    except ssl.SSLError:
        raise FlowError(f"{SMTP_CA_SETTING}: {own} has no certificates in PEM format") from None


def _connect(server: MailServer, context: ssl.SSLContext | None) -> smtplib.SMTP:
    if server.tls:
        return smtplib.SMTP_SSL(
            server.host, server.port, _own_name(), timeout=SMTP_TIMEOUT_SECONDS, context=context
        )
    return smtplib.SMTP(server.host, server.port, _own_name(), timeout=SMTP_TIMEOUT_SECONDS)


def _own_name() -> str:
    """Return our name for the greeting: the host name if it is fully qualified."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name) else "[127.0.0.1]"


def _start_tls(client: smtplib.SMTP, server: MailServer, context: ssl.SSLContext | None) -> None:
    if not client.has_extn("starttls"):
        raise FlowError(
            f"{server.host}:{server.port}: the server offers no STARTTLS, so the connection would"
            f" be unencrypted; to allow that, end {URL_SETTING} with ?starttls=no"
        )
    client.starttls(context=context)
    client.ehlo()


def _address(client: smtplib.SMTP, sender: str, recipients: Sequence[str], size: int) -> None:
    """Send the sender and the recipients; if the server refuses one, nothing is sent."""
    code, said = client.mail(sender, [f"SIZE={size}"] if client.has_extn("size") else [])
    if code != 250:
        raise smtplib.SMTPSenderRefused(code, said, sender)
    answers = {recipient: client.rcpt(recipient) for recipient in recipients}
    if refused := {
        recipient: answer for recipient, answer in answers.items() if answer[0] not in (250, 251)
    }:
        raise smtplib.SMTPRecipientsRefused(refused)


@contextmanager
def _flow_errors(server: MailServer, doing: str) -> Iterator[None]:
    """Convert exceptions of smtplib and the network into FlowError, without the password."""
    try:
        yield
    except (smtplib.SMTPException, OSError, ValueError) as error:
        reason = _reason(error)
        if server.password:
            reason = reason.replace(server.password, "***")
        raise FlowError(f"{server.host}:{server.port}: {doing}: {reason}") from None


#: First match wins.
ERROR_TEXTS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (smtplib.SMTPServerDisconnected, "the server closed the connection"),
    (smtplib.SMTPNotSupportedError, "the server does not support it"),
    (
        ssl.SSLCertVerificationError,
        f"the certificate is not trusted (for your own CA set {SMTP_CA_SETTING})",
    ),
    (
        ssl.SSLError,
        (
            "TLS failed: use smtps:// for ports that expect TLS at once (465), smtp:// for others"
            " (587)"
        ),
    ),
    (socket.gaierror, "the host name was not found"),
    (ConnectionRefusedError, "the connection was refused"),
    (TimeoutError, f"no answer within {SMTP_TIMEOUT_SECONDS:g} s"),
    (ConnectionError, "the connection was reset"),
)


def _reason(error: BaseException) -> str:
    # smtplib reports a timeout as a closed connection
    if isinstance(error.__context__, TimeoutError):
        error = error.__context__
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(
            f"{recipient} was refused: {_said(*answer)}"
            for recipient, answer in list(error.recipients.items())[:5]
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
        (text for kind, text in ERROR_TEXTS if isinstance(error, kind)),
        "the server's answer is invalid",
    )


def _said(code: int, text: bytes | str) -> str:
    return printable(
        f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"
    )
