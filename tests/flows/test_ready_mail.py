"""send_email, against a real SMTP server."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.utils import getaddresses
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from forms import HTML, PDF, PNG
from hypothesis import given, settings
from hypothesis import strategies as st
from mail_server import LOGIN, PASSWORD, USER, MailServer, make_certificates, scripted
from ready import QUICK, Env, done, failed, run, server_context

from bridge.core.local_runs import LocalState
from bridge.flows import File
from bridge.flows.ready import smtp
from bridge.flows.ready.catalog import READY_FLOWS

MAIL = {"to": "ada@example.com", "subject": "Hello", "text": "A line.\n"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tls(certificates: tuple[Path, Path]) -> ssl.SSLContext:
    return server_context(certificates[1])


@pytest.fixture(autouse=True)
def env(monkeypatch: pytest.MonkeyPatch) -> Env:
    return Env(monkeypatch)


@pytest.fixture
def mail(env: Env) -> Iterator[MailServer]:
    """A server that wants nothing, and is known."""
    with MailServer() as server:
        env(
            SMTP_URL=f"smtp://127.0.0.1:{server.port}?starttls=no",
            SMTP_FROM="Hooks <hooks@example.com>",
        )
        yield server


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_mail_goes_out_encrypted_and_logged_in(
    tmp_path: Path, env: Env, tls: ssl.SSLContext, certificates: tuple[Path, Path], scheme: str
) -> None:
    with MailServer(tls, tls=scheme == "smtps", login=True) as server:
        env(SMTP_URL=f"{scheme}://{LOGIN}@localhost:{server.port}", SMTP_CA=str(certificates[0]))
        outputs = done("send_email", tmp_path, **MAIL)
    assert (server.encrypted, server.logins) == ([True], [USER])
    envelope = server.envelopes[0]
    mail = server.mails[0]
    assert (envelope.mail_from, envelope.rcpt_tos) == (
        USER,
        ["ada@example.com"],
    ), "the account is the sender where none is set"
    assert (mail["From"], mail["To"], mail["Subject"], mail.get_content()) == (
        USER,
        "ada@example.com",
        "Hello",
        "A line.\r\n",
    )
    assert outputs == {"message_id": mail["Message-ID"], "recipients": ["ada@example.com"]}
    assert (
        mail["Message-ID"].endswith("@example.com>")
        and mail["Auto-Submitted"] == "auto-generated"
        and mail["Date"].datetime
    )


def test_a_mail_has_all_that_was_given(tmp_path: Path, mail: MailServer) -> None:
    done(
        "send_email",
        tmp_path,
        to=["Ada Lövelace <ada@example.com>", "bob@bücher.example"],
        cc="Cy <cy@example.com>",
        bcc=["eve@example.com", "ada@EXAMPLE.com"],
        reply_to="Customer, Inc. <c@shop.example>",
        from_='"Shop" <shop@example.com>',
        subject="Größe: 5 €",
        text="Grüße\n.\n..dots\nFrom here\n" + "x" * 2000,
        html="<p>Grüße</p>",
    )
    envelope = mail.envelopes[0]
    found = mail.mails[0]
    assert (envelope.mail_from, envelope.rcpt_tos) == (
        "shop@example.com",
        ["ada@example.com", "bob@xn--bcher-kva.example", "cy@example.com", "eve@example.com"],
    )
    assert (
        found["To"] == "Ada Lövelace <ada@example.com>, bob@xn--bcher-kva.example"
        and found["Cc"] == "Cy <cy@example.com>"
    )
    assert (found["From"], found["Reply-To"], found["Subject"]) == (
        "Shop <shop@example.com>",
        '"Customer Inc." <c@shop.example>',
        "Größe: 5 €",
    )
    assert "Bcc" not in found and b"eve@" not in envelope.content
    text = found.get_body(("plain",))
    html = found.get_body(("html",))
    assert text is not None and html is not None
    assert (
        text.get_content().replace("\r\n", "\n")
        == "Grüße\n.\n..dots\nFrom here\n" + "x" * 2000 + "\n"
    )
    assert html.get_content() == "<p>Grüße</p>\r\n"
    assert envelope.content.isascii() and max(map(len, envelope.content.split(b"\r\n"))) <= 998
    done("send_email", tmp_path, to="a@example.com", subject="", html="<p>1</p>")
    assert mail.mails[1].get_content_type() == "text/html"


BREAKS = [
    "\r\nBcc: evil@example.com",
    "\nBcc: evil@example.com",
    "\r",
    "\n",
    "\0",
    "\x0b",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\x7f",
    "\r\n\r\nbody",
]


@pytest.mark.parametrize("name", ["to", "cc", "bcc", "reply_to", "from_"])
@pytest.mark.parametrize("text", BREAKS)
def test_no_input_can_begin_a_header(
    tmp_path: Path, mail: MailServer, name: str, text: str
) -> None:
    before = "ada@example.com"
    for value in (before + text + "x", f"{text}{before}", f"A{text}B <{before}>"):
        said = failed("send_email", tmp_path, **MAIL | {name: value})
        assert said.startswith(f"{name}: a line end or control character (U+")
    assert mail.envelopes == []


@pytest.mark.parametrize("text", BREAKS)
def test_what_could_begin_a_line_in_a_subject_is_a_blank(
    tmp_path: Path, mail: MailServer, text: str
) -> None:
    done("send_email", tmp_path, **MAIL | {"subject": f"From Ada{text}Bcc: eve@example.com{text}"})
    (found,) = mail.mails
    blank = f"From Ada {text}Bcc: eve@example.com{text}".replace("\0", " ").replace("\x7f", " ")
    assert found["Subject"].split() == blank.split()
    assert "Bcc" not in found
    assert mail.envelopes[0].rcpt_tos == ["ada@example.com"]


ENCODED = [
    "=?utf-8?q?x=0d=0aBcc:=20evil=40example.com?=",
    "=?utf-8?b?DQpCY2M6IGV2aWxAZXhhbXBsZS5jb20=?=",
    "a =?us-ascii?q?=0a=0abody?=",
]


@pytest.mark.parametrize("text", ENCODED)
def test_what_a_reader_would_decode_is_no_header_either(
    tmp_path: Path, mail: MailServer, text: str
) -> None:
    """Encoded words are decoded on the way, and the line end in them would be one of the mail's."""
    done("send_email", tmp_path, **MAIL | {"subject": text, "to": f"{text} <ada@example.com>"})
    assert (
        mail.mails[0]["Subject"] == text.replace("=?", "= ?")
        and "Bcc" not in mail.mails[0]
        and mail.envelopes[0].rcpt_tos == ["ada@example.com"]
    )
    # the second wall stands without the first: some Pythons write the line end, some encode it
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.flows.ready.mail._subject", lambda value: value)
        run(READY_FLOWS["send_email"], tmp_path, **MAIL | {"subject": text})
    assert not any("Bcc" in one or one.get_content() != "A line.\r\n" for one in mail.mails)


HOSTILE = st.text(
    st.one_of(st.sampled_from('\r\n:<>@,;"\\()[]=? \tü\u2028\0'), st.characters(codec="utf-8")),
    max_size=60,
) | st.sampled_from(
    [
        "=?utf-8?q?=0d=0aBcc:=20evil=40example.com?=",
        "=?utf-8?b?DQpCY2M6IGV2aWxAZXhhbXBsZS5jb20=?=",
        "x" * 998,
        "ü" * 500,
        "ü, " * 200,
        "=?utf-8?q?a=40example.com=2C?=",
        "\ud800",
        " ",
        "\t",
        "a" * 77 + " " * 200 + "ü",
        "=?utf-8?q?a?= =?utf-8?q?=0a=20b?=",
    ]
)


@settings(QUICK, max_examples=150)
@given(subject=HOSTILE, name=HOSTILE, reply=HOSTILE, text=HOSTILE.filter(bool))
def test_a_mail_that_is_sent_has_our_headers_and_no_others(
    tmp_path_factory: pytest.TempPathFactory,
    sink: list[bytes],
    subject: str,
    name: str,
    reply: str,
    text: str,
) -> None:
    inputs = {
        "to": f"{name} <ada@example.com>",
        "reply_to": f"{reply} <bob@example.com>",
        "subject": subject,
        "text": text,
    }
    sink.clear()
    result = run(READY_FLOWS["send_email"], tmp_path_factory.getbasetemp(), **inputs)
    if result.state is LocalState.FAILED:
        assert sink == [] and "Error: " not in result.log[-1], result.log
        return
    found = message_from_bytes(sink[0], policy=policy.SMTP)
    assert sorted(found.keys()) == sorted(
        [
            "Content-Type",
            "Content-Transfer-Encoding",
            "MIME-Version",
            "From",
            "To",
            "Reply-To",
            "Subject",
            "Date",
            "Message-ID",
            "Auto-Submitted",
        ]
    )
    plain = message_from_bytes(sink[0], policy=policy.compat32)
    assert [address for _, address in getaddresses([plain["To"]])] == ["ada@example.com"]
    assert [address for _, address in getaddresses([plain["Reply-To"]])] == ["bob@example.com"]
    assert [one.addr_spec for one in found["To"].addresses] == ["ada@example.com"]
    assert re.search(rb"\r(?!\n)|(?<!\r)\n", sink[0]) is None and sink[0].isascii()
    assert not any(ord(char) < 32 for char in str(found["Subject"]))


@pytest.fixture
def sink(mail: MailServer, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What goes to the server, as it would go out: each example with a connection of its own would
    take minutes.
    """
    sent: list[bytes] = []
    monkeypatch.setattr(
        smtp, "deliver", lambda server, sender, recipients, message: sent.append(message)
    )
    return sent


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("to", None, "to: no address"),
        ("to", [], "to: no address"),
        ("to", "ada", "'ada' is not a mail address"),
        ("to", "ada@", "not a mail address"),
        ("to", "a b@example.com", "not a mail address"),
        ("to", ".a@example.com", "not a mail address"),
        ("to", "a..b@example.com", "not a mail address"),
        ("to", "ä@example.com", "not a mail address"),
        ("to", "a@-example.com", "not a mail address"),
        ("to", "a@example..com", "not a mail address"),
        ("to", "a@[127.0.0.1]", "not a mail address"),
        ("to", "a@ex_ample.com", "not a mail address"),
        ("to", "<a@example.com", "not a mail address"),
        ("to", "A <a@example.com> <b@example.com>", "not a mail address"),
        (
            "to",
            "a@example.com, b@example.com",
            "write several as a list: [ada@example.com, bob@example.com]",
        ),
        ("to", "a@example.com;b@example.com", "write several as a list"),
        ("to", "evil@example.com,@example.com", "write several as a list"),
        ("to", {"a": 1}, "expected a text, found an object"),
        ("to", [["a@example.com"]], "expected a text, found a list"),
        ("cc", "nobody", "cc: 'nobody' is not a mail address"),
        ("bcc", ["a@example.com", ""], "bcc: '' is not a mail address"),
        ("reply_to", "x", "reply_to: "),
        ("from_", "x", "from_: "),
        ("to", [f"a{n}@example.com" for n in range(51)], "51 addresses; at most 50"),
        ("bcc", [f"a{n}@example.com" for n in range(50)], "51 addresses; at most 50"),
        ("subject", ["x"], "subject: expected a text, found a list"),
        ("subject", "x" * 999, "999 characters; at most 998"),
        ("text", "", "text, html: both are empty"),
        ("text", {"a": 1}, "text: expected a text"),
        ("html", "x" * (5 * 2**20 + 1), "html: 5242881 characters"),
    ],
)
def test_what_is_wrong_with_a_mail_is_said(
    tmp_path: Path, mail: MailServer, name: str, value: Any, words: str
) -> None:
    assert words in failed("send_email", tmp_path, **MAIL | {name: value})
    assert mail.envelopes == []


def test_a_name_can_add_no_recipient(tmp_path: Path, mail: MailServer) -> None:
    done("send_email", tmp_path, **MAIL | {"to": 'evil@example.net, Bob" <me@example.com>'})
    assert (
        mail.envelopes[0].rcpt_tos == ["me@example.com"]
        and mail.mails[0]["To"] == '"evil example.net Bob" <me@example.com>'
    )


def test_recipients_can_be_limited(tmp_path: Path, mail: MailServer, env: Env) -> None:
    env(SMTP_ALLOWED_TO="boss@Partner.example, @example.com")
    for to in ("a@example.com", "A <B@EXAMPLE.com>", ["boss@partner.example", "a@example.com"]):
        done("send_email", tmp_path, **MAIL | {"to": to})
    for name in ("to", "cc", "bcc"):
        for address in (
            "x@partner.example",
            "a@sub.example.com",
            "a@example.com.evil.example",
            "a@notexample.com",
        ):
            assert (
                failed("send_email", tmp_path, **MAIL | {name: [address]})
                == f"{address}: FLOWBRIDGE_SMTP_ALLOWED_TO does not allow mail to it"
            )
    assert len(mail.envelopes) == 3
    env(SMTP_ALLOWED_TO="example.com")
    assert "neither an address nor a domain" in failed("send_email", tmp_path, **MAIL)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (
            {"to": ["ada@example.com", "unknown@example.com"]},
            "unknown@example.com was refused: 550 5.1.1 no such mailbox",
        ),
        ({"bcc": "later@example.com"}, "later@example.com was refused: 451 4.7.1 come back later"),
        (
            {"from_": "spammer@example.com"},
            "the sender spammer@example.com was refused: 550 we do not know you",
        ),
        ({"text": "a virus"}, "554 5.7.1 that is no mail"),
    ],
)
def test_a_refused_mail_is_sent_to_no_recipient(
    tmp_path: Path, mail: MailServer, inputs: dict[str, Any], words: str
) -> None:
    said = failed("send_email", tmp_path, **MAIL | inputs)
    assert said.startswith(f"127.0.0.1:{mail.port}: not sent") and said.endswith(words)
    assert mail.envelopes == []


def test_a_wrong_password_is_said_and_not_shown(
    tmp_path: Path, env: Env, tls: ssl.SSLContext, certificates: tuple[Path, Path]
) -> None:
    env(SMTP_CA=str(certificates[0]))
    with MailServer(tls, login=True) as server:
        env(SMTP_URL=f"smtp://{LOGIN}x@localhost:{server.port}")
        said = failed("send_email", tmp_path, **MAIL)
        assert (
            said.startswith(
                f"localhost:{server.port}: no login: the user name or the password was refused: 535"
            )
            and PASSWORD not in said
        )
        assert server.tried > 0
        env(SMTP_URL=f"smtp://localhost:{server.port}", SMTP_FROM="a@example.com")
        assert "530 5.7.0 Authentication required" in failed("send_email", tmp_path, **MAIL)
    assert server.envelopes == []


def test_nothing_is_said_to_a_server_that_is_not_encrypted_or_not_known(
    tmp_path: Path, env: Env, tls: ssl.SSLContext, certificates: tuple[Path, Path]
) -> None:
    with MailServer(login=True) as server:
        env(SMTP_URL=f"smtp://{LOGIN}@localhost:{server.port}")
        assert "offers no STARTTLS" in failed("send_email", tmp_path, **MAIL)
        assert (server.tried, server.envelopes) == (0, [])
        env(SMTP_URL=f"smtps://{LOGIN}@localhost:{server.port}")
        assert "no connection: TLS failed: use smtps:// for" in failed(
            "send_email", tmp_path, **MAIL
        )
        env(SMTP_URL=f"smtp://{LOGIN}@localhost:{server.port}?starttls=no")
        done("send_email", tmp_path, **MAIL)
    for implicit in (False, True):
        with MailServer(tls, tls=implicit, login=True) as server:
            env(SMTP_URL=f"{'smtps' if implicit else 'smtp'}://{LOGIN}@localhost:{server.port}")
            assert (
                "the certificate is not trusted (for your own CA set FLOWBRIDGE_SMTP_CA)"
                in failed("send_email", tmp_path, **MAIL)
            )
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("FLOWBRIDGE_SMTP_CA", str(certificates[0]))
                patch.setattr(
                    socket,
                    "getaddrinfo",
                    lambda *_, **__: [
                        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
                    ],
                )
                patch.setenv(
                    "FLOWBRIDGE_SMTP_URL",
                    f"{'smtps' if implicit else 'smtp'}://{LOGIN}@other.example:{server.port}",
                )
                assert "the certificate is not trusted" in failed("send_email", tmp_path, **MAIL)
            assert (server.tried, server.envelopes) == (0, [])


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([b""], "no connection: the server closed the connection"),
        ([b"554 go away\r\n"], "no connection: 554 go away"),
        ([b"\x00\xff no SMTP\r\n"], "no connection: "),
        ([b"220 hi\r\n", b"250 x\r\n"], "not sent: the server closed the connection"),
        (
            [b"220 hi\r\n", b"250 x\r\n", b"421 too busy\r\n"],
            "the sender hooks@example.com was refused: 421 too busy",
        ),
        (
            [
                b"220 hi\r\n",
                b"250 x\r\n",
                b"250 ok\r\n",
                b"250 ok\r\n",
                b"354 go\r\n",
                lambda sock: None,
            ],
            "or the outcome is unknown: the server closed",
        ),
        ([b"220 hi\r\n", lambda sock: sock.recv(1)], "no answer within 0.2 s"),
        ([lambda sock: sock.recv(1)], "no connection: no answer within 0.2 s"),
    ],
)
def test_a_closed_connection_is_reported(
    tmp_path: Path, env: Env, monkeypatch: pytest.MonkeyPatch, steps: list[Any], words: str
) -> None:
    if "within" in words:
        monkeypatch.setattr(smtp, "SMTP_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(
        smtp,
        "ERROR_TEXTS",
        tuple((kind, text.replace("30 s", "0.2 s")) for kind, text in smtp.ERROR_TEXTS),
    )
    with scripted(*steps) as port:
        env(SMTP_URL=f"smtp://127.0.0.1:{port}?starttls=no", SMTP_FROM="hooks@example.com")
        assert words in failed("send_email", tmp_path, **MAIL)


def test_what_a_server_says_before_tls_counts_for_nothing(
    tmp_path: Path, env: Env, certificates: tuple[Path, Path], tls: ssl.SSLContext
) -> None:
    """Answers put behind `220` by somebody in between must not be taken for the server's."""

    def switch(sock: socket.socket) -> None:
        sock.sendall(b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n")
        with tls.wrap_socket(sock, server_side=True) as secure, secure.makefile("rb") as lines:
            assert lines.readline().startswith(b"ehlo")
            secure.sendall(b"250 real\r\n")
            assert lines.readline() == b"", "no login was offered by the real one"

    with scripted(b"220 hi\r\n", b"250-x\r\n250 STARTTLS\r\n", switch) as port:
        env(SMTP_URL=f"smtp://{LOGIN}@localhost:{port}", SMTP_CA=str(certificates[0]))
        assert failed("send_email", tmp_path, **MAIL).endswith(
            "no login: the server does not support it"
        )


def test_a_failed_connection_is_reported(tmp_path: Path, env: Env) -> None:
    with socket.socket() as taken:  # nobody listens on it, and nobody else is given it
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        env(SMTP_URL=f"smtp://127.0.0.1:{port}", SMTP_FROM="a@example.com")
        assert (
            failed("send_email", tmp_path, **MAIL)
            == f"127.0.0.1:{port}: no connection: the connection was refused"
        )
    env(SMTP_URL="smtp://no.such.host.invalid")
    assert (
        failed("send_email", tmp_path, **MAIL)
        == "no.such.host.invalid:587: no connection: the host name was not found"
    )


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com:587",
        "http://hunter2@mail.example.com",
        "smtp://u:hunter2",
        "smtp://u:hunt/er2@mail.example.com",
        "smtp://u:12#hunter2@h",
        "smtp://u:hunter2@h/path",
        "smtp://u:hunter2@h?tls=no",
        "smtp://u:hunter2@h?starttls=maybe",
        "smtps://u:hunter2@h?starttls=no",
        "smtp://u:hunter2@h:99999",
        "smtp://u:hunter2@[::1",
        "smtp://u:hunter2@mail.example.com?starttls=no",
        "smtp://u@h",
        "smtp://u:hünter2@h",
        "smtp://:hunter2@h",
        "smtp://",
    ],
)
def test_an_unusable_mail_server_is_reported_without_its_password(
    tmp_path: Path, env: Env, url: str
) -> None:
    env(SMTP_URL=url, SMTP_FROM="a@example.com")
    said = failed("send_email", tmp_path, **MAIL)
    assert said.startswith("FLOWBRIDGE_SMTP_URL: ") and "nter2" not in said and "er2" not in said


def test_what_a_mail_needs_of_the_settings_is_named(tmp_path: Path, env: Env) -> None:
    assert failed("send_email", tmp_path, **MAIL).startswith(
        "no mail server: set FLOWBRIDGE_SMTP_URL"
    )
    env(SMTP_URL="smtp://mail.example.com")
    assert failed("send_email", tmp_path, **MAIL).startswith("no sender: set FLOWBRIDGE_SMTP_FROM")
    env(SMTP_FROM="nobody")
    assert failed("send_email", tmp_path, **MAIL).startswith(
        "FLOWBRIDGE_SMTP_FROM: 'nobody' is not a mail address"
    )
    env(SMTP_FROM="a@example.com", SMTP_CA=str(tmp_path / "none.pem"))
    assert failed("send_email", tmp_path, **MAIL).endswith(
        "none.pem cannot be read: No such file or directory"
    )
    (tmp_path / "none.pem").write_text("nothing")
    assert failed("send_email", tmp_path, **MAIL).endswith("has no certificates in PEM format")


# -- attachments


def uploaded(folder: Path, name: str, content: bytes) -> File:
    path = folder / sha256(content).hexdigest()
    path.write_bytes(content)
    return File(name, path, len(content))


def test_files_are_attached_with_their_detected_types(tmp_path: Path, mail: MailServer) -> None:
    event = "evt_" + "0" * 26
    files = [
        uploaded(tmp_path, f'{event}-1-Größe "1"; x=y.png', PNG),
        uploaded(tmp_path, f"{event}-2-page.html", HTML),
        uploaded(tmp_path, "notes.txt", "Grüße".encode()),
        uploaded(tmp_path, "../a\r\nBcc: eve@example.com.pdf", PDF),
    ]
    done("send_email", tmp_path, **MAIL, html="<p>1</p>", attachments=files)
    done("send_email", tmp_path, **MAIL, attachments=files[0])
    done("send_email", tmp_path, **MAIL, attachments=[])
    many, one, none = mail.mails
    found = [
        (part.get_filename(), part.get_content_type(), part.get_payload(decode=True))
        for part in many.iter_attachments()
    ]
    assert found == [
        ("Größe _1_; x=y.png", "image/png", PNG),
        ("page.html", "application/octet-stream", HTML),
        ("notes.txt", "text/plain", "Grüße".encode()),
        ("aBcc_ eve@example.com.pdf", "application/pdf", PDF),
    ]
    text = many.get_body(("plain",))
    assert text is not None and text.get_content() == "A line.\r\n" and "Bcc" not in many
    assert all(part.get_content_disposition() == "attachment" for part in many.iter_attachments())
    assert [part.get_filename() for part in one.iter_attachments()] == [
        "Größe _1_; x=y.png"
    ] and not none.is_multipart()
    assert [len(envelope.rcpt_tos) for envelope in mail.envelopes] == [1, 1, 1]


def test_what_is_no_file_or_too_much_is_refused(tmp_path: Path, mail: MailServer) -> None:
    assert "attachments: use an uploaded file" in failed(
        "send_email", tmp_path, **MAIL, attachments=["/etc/passwd"]
    )
    big = File("big.bin", tmp_path / "big", 26 * 1024 * 1024)
    assert (
        failed("send_email", tmp_path, **MAIL, attachments=[big])
        == "attachments: 26.0 MiB; at most 25 MiB are allowed"
    )
    assert mail.mails == []
