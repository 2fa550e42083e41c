"""The flow send_email, and the mail addresses of a route's inputs.

One text is one address: if a text could hold a list, a sender who controls part of it (a name in a
form) could add recipients.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.core.model import JSON
from bridge.core.units import MIB
from bridge.flows.context import log
from bridge.flows.errors import FlowError
from bridge.flows.function import flow
from bridge.flows.ready.environment import read_list, read_variable
from bridge.flows.ready.inputs import fold_lines, one_line, shorten
from bridge.flows.ready.inputs import text as text_of
from bridge.flows.types import File

if TYPE_CHECKING:
    from email.message import EmailMessage

MAX_RECIPIENTS: Final = 50  # of a mail, all together

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_USER: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_DOMAIN: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_NAMED: Final = re.compile(r"([^<>]*)<([^<>]*)>")
_SPECIAL: Final = re.compile(r'[<>@,;:"()\[\]\\=?]+')


@dataclass(frozen=True, slots=True)
class Address:
    """One mail address, in ASCII except for the display name.

    The name is for people only, and has no character with a meaning in a header.
    """

    display_name: str
    user: str
    domain: str

    @property
    def spec(self) -> str:
        """The normalized address, for comparison: domains are case-insensitive."""
        return f"{self.user}@{self.domain.lower()}"


def parse_address(name: str, value: JSON) -> Address:
    """Parse `ada@example.com` or `Ada Lovelace <ada@example.com>`.

    `name` is the input's name, for the error.
    """
    text = one_line(name, value).strip()
    named = _NAMED.fullmatch(text)
    display, bare = (named[1], named[2].strip()) if named else ("", text)
    user, _, domain = bare.rpartition("@")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError:
            domain = ""
    if (
        not _USER.fullmatch(user)
        or not _DOMAIN.fullmatch(domain)
        or len(user) > 64
        or len(domain) > 253
    ):
        more = (
            "; write several as a list: [ada@example.com, bob@example.com]"
            if bare.count("@") > 1
            else ""
        )
        raise FlowError(
            f"{name}: {shorten(text)} is not a mail address; use ada@example.com or Ada"
            f" <ada@example.com>{more}"
        )
    return Address(display_name_of(display), user, domain)


def parse_addresses(name: str, value: JSON) -> list[Address]:
    """Parse one address, or a list of them; none for null or an empty text."""
    listed = value if isinstance(value, list) else [] if value is None or value == "" else [value]
    if len(listed) > MAX_RECIPIENTS:
        raise FlowError(f"{name}: {len(listed)} addresses; at most {MAX_RECIPIENTS} are allowed")
    return [parse_address(name, address) for address in listed]


def display_name_of(text: str) -> str:
    """Return the name without characters that have a meaning in a header."""
    plain = "".join(
        " " if unicodedata.category(char).startswith("C") else char
        for char in _SPECIAL.sub(" ", text)
    )
    return " ".join(plain.split())[:100].rstrip()


def check_allowed(addresses: list[Address], allowed: list[str], setting: str) -> None:
    """Raise FlowError for an address that is not in `allowed`.

    `allowed` holds addresses, and domains as `@example.com`; empty allows any.
    """
    if not allowed:
        return
    listed = {word.removeprefix("*").lower() for word in allowed}
    if wrong := next((word for word in sorted(listed) if "@" not in word), None):
        raise FlowError(
            f"{setting}: {shorten(wrong)} is neither an address nor a domain such as @example.com"
        )
    for address in addresses:
        if not listed & {address.spec.lower(), f"@{address.domain.lower()}"}:
            raise FlowError(f"{address.spec}: {setting} does not allow mail to it")


FROM_SETTING: Final = "FLOWBRIDGE_SMTP_FROM"
ALLOWED_TO_SETTING: Final = "FLOWBRIDGE_SMTP_ALLOWED_TO"
# bytes of all files; Base64 adds a third, and few servers accept as much
MAX_ATTACHED_BYTES: Final = 25 * MIB
MAX_MAIL_CHARACTERS: Final = 5 * MIB  # characters


@flow(time_limit=900)
def send_email(  # noqa: PLR0913, PLR0917 - a parameter is an input
    to: str | list[str],
    subject: str,
    text: str = "",
    html: str = "",
    reply_to: str = "",
    cc: str | list[str] = "",
    bcc: str | list[str] = "",
    from_: str = "",
    attachments: File | list[File] | None = None,
) -> dict[str, JSON]:
    """Sends a mail through the server of FLOWBRIDGE_SMTP_URL.

    The sender is `from_` or FLOWBRIDGE_SMTP_FROM. All recipients get the mail, or none. `to`, `cc`
    and `bcc` are an address (`ada@example.com` or `Ada <ada@example.com>`) or a list of them.
    `text`, `html` or both are the content. Replies go to `reply_to`. `attachments` are uploaded
    files, such as those of a form.
    """
    from bridge.flows.ready.smtp import deliver, find_server

    server = find_server()
    sender = _sender(from_, server.user)
    groups = {
        "To": parse_addresses("to", to),
        "Cc": parse_addresses("cc", cc),
        "Bcc": parse_addresses("bcc", bcc),
    }
    recipients = list(dict.fromkeys(address.spec for group in groups.values() for address in group))
    if not groups["To"]:
        raise FlowError("to: no address")
    if len(recipients) > MAX_RECIPIENTS:
        raise FlowError(
            f"to, cc, bcc: {len(recipients)} addresses; at most {MAX_RECIPIENTS} are allowed"
        )
    check_allowed(
        [address for group in groups.values() for address in group],
        read_list(ALLOWED_TO_SETTING),
        ALLOWED_TO_SETTING,
    )
    replies = parse_addresses("reply_to", reply_to)
    message = _message(
        text_of("text", text, MAX_MAIL_CHARACTERS), text_of("html", html, MAX_MAIL_CHARACTERS)
    )
    _attach(message, _files(attachments))
    _address(
        message, {"From": [sender], "To": groups["To"], "Cc": groups["Cc"], "Reply-To": replies}
    )
    message["Subject"] = _subject(subject)
    _complete(message, sender)
    deliver(server, sender.spec, recipients, _written(message))
    log(f"sent to {', '.join(recipients)}")
    return {"message_id": str(message["Message-ID"]), "recipients": list(recipients)}


def _sender(address: JSON, user: str) -> Address:
    """Return the sender: the input, the setting, or the account's user name if it is an address."""
    if address not in (None, ""):
        return parse_address("from_", address)
    fallback = read_variable(FROM_SETTING) or (user if "@" in user else "")
    if not fallback:
        raise FlowError(f"no sender: set {FROM_SETTING}, such as Hooks <hooks@example.com>")
    return parse_address(FROM_SETTING, fallback)


def _subject(value: JSON) -> str:
    """Return the subject as one line without control characters.

    Text like an encoded word is broken up: a mail program would decode it, line ends included.
    """
    return fold_lines("subject", value).strip().replace("=?", "= ?")


def _message(text: str, html: str) -> EmailMessage:
    """Return a message with its content as lines of ASCII, which every server accepts.

    No line can act as a command.
    """
    from email.message import EmailMessage
    from email.policy import SMTP

    if not text and not html:
        raise FlowError("text, html: both are empty; set one of them")
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    if text:
        message.set_content(text.replace("\0", ""))
    if html and text:
        message.add_alternative(html.replace("\0", ""), subtype="html")
    elif html:
        message.set_content(html.replace("\0", ""), subtype="html")
    return message


def _files(attachments: object) -> list[File]:
    """Return the files to attach. Raise FlowError for other values, and for too many bytes."""
    listed = (
        attachments
        if isinstance(attachments, list)
        else []
        if attachments in (None, "")
        else [attachments]
    )
    files = [file for file in listed if isinstance(file, File)]
    if len(files) < len(listed):
        raise FlowError("attachments: use an uploaded file or a list of them, such as ${files}")
    if (size := sum(file.size for file in files)) > MAX_ATTACHED_BYTES:
        raise FlowError(
            f"attachments: {size / MIB:.1f} MiB; at most {MAX_ATTACHED_BYTES // MIB} MiB are"
            " allowed"
        )
    return files


def _attach(message: EmailMessage, files: list[File]) -> None:
    """Attach files with the detected type, or as binary where a mail program could run them."""
    from bridge.core.file_types import DOWNLOAD_MEDIA_TYPES, UNKNOWN_TYPE, detect_type
    from bridge.core.multipart import sanitize_file_name
    from bridge.delivery.file_transfer import original_name

    for file in files:
        content = file.read_bytes()
        media = detect_type(content, file.name).media
        main, _, kind = (media if media in DOWNLOAD_MEDIA_TYPES else UNKNOWN_TYPE.media).partition(
            "/"
        )
        message.add_attachment(
            content,
            maintype=main,
            subtype=kind,
            filename=sanitize_file_name(original_name(file.name)),
        )


def _address(message: EmailMessage, groups: Mapping[str, list[Address]]) -> None:
    from email.headerregistry import Address as Header

    for name, addresses in groups.items():
        if addresses:
            message[name] = [
                Header(address.display_name, address.user, address.domain) for address in addresses
            ]


def _complete(message: EmailMessage, sender: Address) -> None:
    from email.utils import formatdate, make_msgid

    message["Date"] = formatdate(time.time())
    message["Message-ID"] = make_msgid(domain=sender.domain)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: prevents automatic replies


def _written(message: EmailMessage) -> bytes:
    """Return the message as bytes, after a check that no header or line was injected."""
    raw = message.as_bytes()
    head = raw.partition(b"\r\n\r\n")[0]
    names = [
        line.partition(b":")[0].decode("ascii", "replace")
        for line in head.split(b"\r\n")
        if line[:1] not in (b" ", b"\t")
    ]
    if names != list(message.keys()) or re.search(rb"\r(?!\n)|(?<!\r)\n|[^\x00-\x7f]", raw):
        raise FlowError("subject: the mail's headers cannot be written safely")
    return raw
