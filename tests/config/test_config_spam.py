"""A form's `spam:` and `addresses:` in routes.yaml: what they become, and what is said of what
cannot be used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.config.loader import check, load, load_canonical
from bridge.routing.form import Form, Spam
from bridge.routing.model import Config

HEAD = "version: 1\nplatforms: {local: {type: local}}\nsources:\n  contact:\n    provider: form\n"
ENV = {"CAPTCHA": "s3cret-of-the-captcha"}


def loaded(folder: Path, more: str, environ: dict[str, str] | None = None) -> Config:
    (folder / "routes.yaml").write_text(HEAD + more)
    return load(folder / "routes.yaml", ENV if environ is None else environ)


def form_of(folder: Path, more: str) -> Form:
    form = loaded(folder, more).sources["contact"].form
    assert form is not None
    return form


def problems(folder: Path, more: str, environ: dict[str, str] | None = None) -> list[str]:
    (folder / "routes.yaml").write_text(HEAD + more)
    _, found = check(folder / "routes.yaml", ENV if environ is None else environ)
    return [str(one).partition(": ")[2] for one in found if one.level == "error"]


def test_without_a_word_of_it_the_record_says_what_the_keys_say(tmp_path: Path) -> None:
    form = form_of(tmp_path, "")
    assert (form.addresses, form.spam) == ("truncated", Spam())


def test_what_is_said_is_taken(tmp_path: Path) -> None:
    spam = form_of(
        tmp_path,
        "    addresses: hashed\n    spam: {honeypots: trap, token: required, altcha: 'off',"
        " min_fill: 5s,\n      expires: 2h, max_links: 0, duplicates: keep,\n      block_words:"
        " [Casino, '*xxx*'], block_addresses: [a@b.c, 192.0.2.0/24], block_domains: [d.e]}\n",
    ).spam
    assert (spam.honeypots, spam.token, spam.altcha, spam.min_fill, spam.expires) == (
        ("trap",),
        "required",
        "off",
        5.0,
        7200.0,
    )
    assert (spam.max_links, spam.duplicates) == (0, None)
    blocked = spam.blocked
    assert (blocked.phrases, blocked.parts, blocked.mailboxes, blocked.domains) == (
        {1: {("casino",)}},
        ("xxx",),
        {"a@b.c"},
        {"d.e"},
    )
    assert list(blocked.networks) == [(4, 24)]


def test_a_captcha_is_its_row_with_a_secret_that_shows_nowhere(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        '    spam: {captcha: {kind: recaptcha_v3, secret: "${env:CAPTCHA}", hostnames: Example.com,'
        " unreachable: pass}}\n",
    )
    form = config.sources["contact"].form
    assert form is not None and form.spam.captcha is not None
    site = form.spam.captcha
    assert (site.url, site.secret, site.score, site.hostnames, site.holds) == (
        "https://www.google.com/recaptcha/api/siteverify",
        ENV["CAPTCHA"],
        0.5,
        {"example.com"},
        False,
    )
    assert ENV["CAPTCHA"] not in config.canonical + repr(config)


def test_a_list_in_a_file_is_part_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("# ours\ncasino\n\nbuy now # always\n")
    config = loaded(tmp_path, "    spam: {block_words: words.txt}\n")
    form = config.sources["contact"].form
    assert form is not None and form.spam.blocked.phrases == {1: {("casino",)}, 2: {("buy", "now")}}
    (tmp_path / "words.txt").write_text("other\n")
    assert loaded(tmp_path, "    spam: {block_words: words.txt}\n").hash != config.hash
    then = load_canonical(config.canonical, ENV, tmp_path).sources["contact"].form
    assert then is not None and then.spam == form.spam
    assert str(tmp_path / "words.txt") in config.files


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("    addresses: some\n", "sources.contact.addresses: "),
        ("    spam: {token: yes please}\n", "sources.contact.spam.token: "),
        (
            "    spam: {honeypot: x}\n",
            "sources.contact.spam.honeypot: unknown key `honeypot`; did you mean `honeypots`?",
        ),
        ("    spam: {hostnames: []}\n", "sources.contact.spam.hostnames: unknown key"),
        (
            "    spam: {captcha: {kind: turnstile, secret: x, hostnames: []}}\n",
            "captcha.hostnames: needs at least one text, found a list",
        ),
        (
            (
                "    schema: {properties: {name: {}, website: {}}}\n    spam: {honeypots: [trap,"
                " website]}\n"
            ),
            "sources.contact.spam.honeypots: `website` is a field of the schema",
        ),
        ("    spam: {honeypots: ['']}\n", "sources.contact.spam.honeypots: needs names of fields"),
        (
            "    spam: {min_fill: 2h, expires: 1h}\n",
            "sources.contact.spam.min_fill: must be shorter than `expires`",
        ),
        ("    spam: {altcha_work: 100000000}\n", "sources.contact.spam.altcha_work: "),
        ("    spam: {block_words: nowhere.txt}\n", "sources.contact.spam.block_words: "),
        ("    spam: {block_words: ../../etc/passwd}\n", "leads out of the folder"),
        ("    spam: {block_words: [7]}\n", "sources.contact.spam.block_words: `7` is not a text"),
        (
            "    spam: {block_addresses: [1.2.3]}\n",
            "`1.2.3` is not an e-mail address, IP address or network",
        ),
        (
            "    spam: {captcha: {kind: turnstyle, secret: x}}\n",
            "sources.contact.spam.captcha.kind: ",
        ),
        ("    spam: {captcha: {kind: turnstile}}\n", "sources.contact.spam.captcha"),
        (
            "    spam: {captcha: {kind: turnstile, secret: '${env:NOT_SET}'}}\n",
            "environment variable NOT_SET is not set",
        ),
        (
            "    spam: {captcha: {kind: turnstile, secret: ' '}}\n",
            "sources.contact.spam.captcha.secret: an empty secret",
        ),
        (
            "    spam: {captcha: {kind: turnstile, secret: x, score: 0.5}}\n",
            "turnstile gives no score; allowed for: recaptcha_v3",
        ),
        (
            "    spam: {captcha: {kind: turnstile, secret: x, url: 'http://example.com/'}}\n",
            "sources.contact.spam.captcha.url: needs a URL",
        ),
        (
            "    spam: {captcha: {kind: turnstile, secret: x, url: 'https://a:b@example.com/'}}\n",
            "sources.contact.spam.captcha.url: needs a URL",
        ),
        (
            "    spam: {captcha: {kind: turnstile, secret: x, timeout: 1m}}\n",
            "sources.contact.spam.captcha.timeout: ",
        ),
        ("    spam: {block_words: '${env:CAPTCHA}'}\n", "are filled in only under"),
    ],
)
def test_what_cannot_be_used_is_said_with_its_place(tmp_path: Path, more: str, said: str) -> None:
    found = problems(tmp_path, more)
    assert len(found) == 1 and said in found[0], found
    assert ENV["CAPTCHA"] not in repr(found)


def test_all_that_is_wrong_with_a_form_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "thanks.html").write_text("{{ form.name")
    found = problems(
        tmp_path,
        "    on_error: back\n    schema: {properties: {name: {type: string}}}\n    files: {maks: 1,"
        " types: [imgae]}\n    page: {titel: x, thanks_template: thanks.html}\n    spam:\n     "
        " honeypot: x\n      token: yes please\n      honeypots: name\n      block_words:"
        " nowhere.txt\n      block_domains: [a b]\n      captcha: {kind: turnstile}\n",
    )
    named = [one.partition(":")[0].removeprefix("sources.contact.") for one in found]
    assert sorted(named) == [
        "files.maks",
        "files.types.0",
        "on_error",
        "page.thanks_template",
        "page.titel",
        "spam.block_domains",
        "spam.block_words",
        "spam.captcha.secret",
        "spam.honeypot",
        "spam.honeypots",
        "spam.token",
    ]


def test_no_honeypots_are_an_empty_list(tmp_path: Path) -> None:
    assert form_of(tmp_path, "    spam: {honeypots: []}\n").spam.honeypots == ()


def test_a_field_of_the_schema_is_none_of_the_usual_honeypots(tmp_path: Path) -> None:
    form = form_of(tmp_path, "    schema: {properties: {botcheck: {type: string}}}\n")
    assert form.spam.honeypots == ("_gotcha", "bot-field")


def test_back_needs_the_sites_to_which_it_may_lead(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, "    on_error: back\n")
    assert said.startswith("sources.contact.on_error: `back` redirects only to `allowed_origins`")
    assert (
        problems(tmp_path, "    on_error: back\n    allowed_origins: [https://example.com]\n") == []
    )
    (said,) = problems(tmp_path, "    on_error: back\n    allowed_origins: [example]\n")
    assert said.startswith("sources.contact.allowed_origins.0: ")


@pytest.mark.parametrize("key", ["spam: {max_links: 1}", "addresses: none"])
def test_only_forms_have_it(tmp_path: Path, key: str) -> None:
    text = HEAD.replace("provider: form", f"provider: github\n    insecure: true\n    {key}")
    (tmp_path / "routes.yaml").write_text(text)
    found: Any = check(tmp_path / "routes.yaml", {})[1]
    assert any("is only for the provider form" in str(one) for one in found)
