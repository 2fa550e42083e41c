"""What a form's submission is held to be spam by: each layer with what passes and what does not;
tokens, proofs of work, lists.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from growth import Work, check_growth
from hypothesis import given, settings
from hypothesis import strategies as st
from records import NOW

from bridge.core.http_messages import Answer, NoAnswer
from bridge.core.rate_limits import Rate
from bridge.ingest.forms.spam import altcha, blocklists, captchas, tokens
from bridge.ingest.forms.spam.dedup import derive_key
from bridge.ingest.forms.spam.layers import (
    LAYERS,
    TOKEN_FIELD,
    SpamSubmission,
    build_marks,
    find_spam_reason,
)
from bridge.routing.form import Captcha, Spam

KEY = "k" * 64
SITE = Captcha(kind="turnstile", url="https://captcha.example/verify", secret="s3cret")
USUAL = Spam()
NONCE = "0" * 32
SALT = "a" * 24


def submission(
    fields: Mapping[str, Any] | None = None, spam: Spam = USUAL, **changes: Any
) -> SpamSubmission:
    """What a person sends; honeypots and the like stand among the fields, as they come."""
    given = {"name": "Ann", "message": "Hello there"} if fields is None else dict(fields)
    beside = {TOKEN_FIELD, altcha.ALTCHA_FIELD, *captchas.CAPTCHA_FIELDS, *spam.honeypots}
    filled = {name: value for name, value in given.items() if name not in beside}
    made = SpamSubmission(
        source="contact",
        spam=spam,
        fields=filled,
        controls=given,
        address="203.0.113.9",
        now=NOW,
        secret_key=KEY,
        digest="d",
    )
    return replace(made, **changes)


def token(
    at: float = NOW - 10,
    source: str = "contact",
    key: str = KEY,
    nonce: str = NONCE,
    *,
    is_ours: bool = False,
) -> str:
    return tokens.issue_token(derive_key(key, "tokens"), source, at, nonce, is_ours=is_ours)


def solution(
    until: float = NOW + 600,
    source: str = "contact",
    key: str = KEY,
    right: int = 77,
    **changes: Any,
) -> str:
    """What the widget sends for a challenge that it has solved."""
    given = altcha.make_challenge(
        derive_key(key, "altcha"), source, until, salt=SALT, number=right, max_number=1000
    )
    return encoded(
        {
            "algorithm": "SHA-256",
            "challenge": given["challenge"],
            "number": right,
            "salt": given["salt"],
            "signature": given["signature"],
            "took": 12,
        }
        | changes
    )


def encoded(value: Any) -> str:
    return b64encode(json.dumps(value).encode()).decode()


def layer_of(one: SpamSubmission) -> str | None:
    reason = find_spam_reason(one)
    return reason and reason.partition(":")[0]


def test_an_ordinary_submission_is_no_spam() -> None:
    assert find_spam_reason(submission()) is None


def test_every_layer_has_a_name_of_its_own_and_who_asks_others_comes_last() -> None:
    names = [layer.name for layer in LAYERS]
    assert len(set(names)) == len(names) and names[-1] == "captcha"


# -- honeypots


@pytest.mark.parametrize("name", ["_gotcha", "botcheck", "bot-field"])
@pytest.mark.parametrize("value", ["x", " x ", True, 1, ["", "x"], [True]])
def test_a_filled_honeypot_is_spam(name: str, value: Any) -> None:
    assert layer_of(submission({"name": "Ann", name: value})) == "honeypot"


@pytest.mark.parametrize("value", ["", "  ", None, False, [], ["", ""]])
def test_an_empty_honeypot_is_none(value: Any) -> None:
    assert (
        find_spam_reason(submission({"name": "Ann", "_gotcha": value, "botcheck": value})) is None
    )


def test_honeypots_of_ones_own_replace_the_usual_ones() -> None:
    own = Spam(honeypots=("website2",))
    assert layer_of(submission({"website2": "x"}, own)) == "honeypot"
    assert find_spam_reason(submission({"name": "Ann", "_gotcha": "x"}, own)) is None


# -- tokens


def test_a_token_is_good_between_the_least_time_and_its_end() -> None:
    rules = Spam(min_fill=3.0, expires=100.0)
    ages = {0.0: "token", 2.9: "token", 3.1: None, 99.0: None, 101.0: "token", 1e6: "token"}
    assert {
        age: layer_of(submission({TOKEN_FIELD: token(NOW - age)}, rules)) for age in ages
    } == ages


def test_a_clock_that_goes_before_is_no_hindrance_and_no_way_in() -> None:
    rules = Spam(min_fill=0.001)
    assert "within 0.0 s" in (
        find_spam_reason(submission({TOKEN_FIELD: token(NOW + 30)}, rules)) or ""
    )
    assert "in the future" in (
        find_spam_reason(submission({TOKEN_FIELD: token(NOW + 90)}, rules)) or ""
    )


@pytest.mark.parametrize(
    "text",
    [
        token(source="other"),
        token(key="x" * 64),
        token()[:-1],
        token()[1:],
        token() + "A",
        token().replace("contact", "c0ntact"),
        "x",
        "." * 50,
        "a" * 400,
        "ä.1.2",
        ["x"],
        7,
        {"a": 1},
        token().rpartition(".")[0],
    ],
    ids=range(14),
)
def test_a_token_that_was_not_given_out_here_is_spam(text: Any) -> None:
    assert layer_of(submission({TOKEN_FIELD: text})) == "token"


def test_a_token_is_asked_for_only_where_it_is_required() -> None:
    assert layer_of(submission(spam=Spam(token="required"))) == "token"
    assert layer_of(submission({"a": "b", TOKEN_FIELD: ""}, Spam(token="required"))) == "token"
    assert (
        find_spam_reason(submission({"a": "b", TOKEN_FIELD: "rubbish"}, Spam(token="off"))) is None
    )


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda raw: b64encode(raw).decode()))
def test_no_text_is_a_token_or_a_solution(text: str) -> None:
    assert isinstance(
        tokens.read_token(derive_key(KEY, "tokens"), text, "contact", NOW, 86400), str
    )
    assert isinstance(altcha.check_solution(derive_key(KEY, "altcha"), text, "contact", NOW), str)


# -- proofs of work


def test_a_solution_is_right_until_its_end_and_for_its_form() -> None:
    assert find_spam_reason(submission({"altcha": solution()})) is None
    assert "has expired" in (
        find_spam_reason(submission({"altcha": solution(until=NOW - 1)})) or ""
    )
    assert "another form" in (
        find_spam_reason(submission({"altcha": solution(source="other")})) or ""
    )
    assert "solution is wrong" in (
        find_spam_reason(submission({"altcha": solution(key="x" * 64)})) or ""
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 78},
        {"number": -1},
        {"number": "77"},
        {"number": 77.0},
        {"number": True},
        {"number": 10**12},
        {"number": None},
        {"algorithm": "SHA-1"},
        {"algorithm": "none"},
        {"challenge": "0" * 64},
        {"signature": "0" * 64},
        {"signature": ""},
        {"signature": None},
        {"salt": SALT},
        {"salt": ["x"]},
        {"challenge": "é" * 64},
    ],
    ids=str,
)
def test_a_solution_that_was_changed_is_spam(changes: dict[str, Any]) -> None:
    assert layer_of(submission({"altcha": solution(**changes)})) == "altcha"


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "e30=",
        encoded([]),
        encoded("x"),
        "====",
        "A" * 3000,
        ["e30="],
        7,
        True,
        encoded({"a": 1}),
    ],
    ids=range(10),
)
def test_a_solution_that_cannot_be_read_is_spam(text: Any) -> None:
    assert layer_of(submission({"altcha": text})) == "altcha"


def test_the_end_of_a_challenge_cannot_be_moved_into_the_number() -> None:
    """Salt and number stand one after the other in what is digested: a digit of one must not be
    read as one of the other.
    """
    until = int(NOW) - 5
    number = 345
    given = altcha.make_challenge(
        derive_key(KEY, "altcha"), "contact", until, salt=SALT, number=number, max_number=1000
    )
    whole = f"{given['salt']}{number}"
    for cut in range(1, len(whole)):
        salt = whole[:cut]
        digits = whole[cut:]
        if digits.isdigit():
            again = encoded({**given, "salt": salt, "number": int(digits)})
            assert isinstance(
                altcha.check_solution(derive_key(KEY, "altcha"), again, "contact", NOW), str
            )


def test_the_form_cannot_be_moved_either() -> None:
    given = altcha.make_challenge(
        derive_key(KEY, "altcha"), "contact", NOW + 60, salt=SALT, number=5, max_number=10
    )
    for salt in (
        given["salt"] + "form=other&",
        given["salt"].replace("contact", "other"),
        given["salt"] + "\n",
    ):
        digest = sha256(f"{salt}5".encode()).hexdigest()
        again = encoded({**given, "salt": salt, "challenge": digest, "number": 5})
        assert isinstance(
            altcha.check_solution(derive_key(KEY, "altcha"), again, "other", NOW), str
        )


def test_a_solution_is_asked_for_only_where_it_is_required() -> None:
    assert layer_of(submission(spam=Spam(altcha="required"))) == "altcha"
    assert find_spam_reason(submission({"altcha": solution()}, Spam(altcha="required"))) is None
    assert find_spam_reason(submission({"altcha": "rubbish"}, Spam(altcha="off"))) is None


def test_what_the_protocol_says_of_a_known_challenge() -> None:
    """As altcha-lib computes it: the hexadecimal SHA-256 of salt and number, and the HMAC of those
    digits.
    """
    given = altcha.make_challenge(
        b"secret", "f", 1715523102, salt="c0ffee" * 4, number=1234, max_number=5000
    )
    assert given["salt"] == "c0ffeec0ffeec0ffeec0ffee?expires=1715523102&form=f&"
    assert (
        given["challenge"]
        == sha256(b"c0ffeec0ffeec0ffeec0ffee?expires=1715523102&form=f&1234").hexdigest()
    )
    assert (given["algorithm"], given["maxnumber"], len(given["signature"])) == (
        "SHA-256",
        5000,
        64,
    )


# -- lists and links


def blocking(**lists: Any) -> Spam:
    return Spam(blocked=blocklists.build_blocklist(**lists))


@pytest.mark.parametrize(
    ("words", "text", "hit"),
    [
        (["casino"], "Best CASINO!", True),
        (["cialis"], "I am a specialist", False),
        (["buy now"], "please buy\n now, or else", True),
        (["buy now"], "buy it now", False),
        (["*casino*"], "megacasinos", True),
        (["ｃａｓｉｎｏ"], "casino", True),
        (["casino"], "ｃａｓｉｎｏ", True),
        (["bit.ly"], "see https://bit.ly/x", True),
        (["straße"], "STRASSE 5", True),
    ],
)
def test_words_are_found_whole(words: list[str], text: str, hit: bool) -> None:
    assert layer_of(submission({"m": text}, blocking(words=words))) == ("word" if hit else None)


@pytest.mark.parametrize(
    ("lists", "text", "hit"),
    [
        ({"addresses": ["spam@example.com"]}, "Spam@Example.com", True),
        ({"addresses": ["spam@example.com"]}, "nospam@example.com", False),
        ({"addresses": ["spam@example.com"]}, "write <spam@example.com>.", True),
        ({"domains": ["mailinator.com"]}, "me@mailinator.com", True),
        ({"domains": ["mailinator.com"]}, "me@a.b.mailinator.com", True),
        ({"domains": ["mailinator.com"]}, "me@notmailinator.com", False),
        ({"domains": ["@spam.ru"]}, "https://x.spam.ru:8080/a?b", True),
        ({"domains": ["spam.ru"]}, "see http://user@spam.ru/", True),
        ({"domains": ["spam.ru"]}, "www.spam.ru", True),
        ({"domains": ["spam.ru"]}, "spam.ru is what I mean", False),
        ({"domains": ["spam.ru"]}, "@ spam.ru @@ @spam.ru", False),
    ],
)
def test_names_are_found_with_those_below(
    lists: dict[str, list[str]], text: str, hit: bool
) -> None:
    assert layer_of(submission({"m": text}, blocking(**lists))) == ("name" if hit else None)


@pytest.mark.parametrize(
    ("address", "hit"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:192.0.2.7", True),
        ("198.51.100.1", True),
        ("198.51.100.2", False),
        (None, False),
        ("not an address", False),
    ],
)
def test_networks_are_blocked(address: str | None, hit: bool) -> None:
    rules = blocking(addresses=["192.0.2.0/24", "198.51.100.1", "2001:db8::/32"])
    assert layer_of(submission(spam=rules, address=address)) == ("network" if hit else None)


@pytest.mark.parametrize(
    ("lists", "about"),
    [
        ({"words": ["a b c d e f g"]}, "words"),
        ({"words": ["*"]}, "words"),
        ({"words": ["!!"]}, "words"),
        ({"addresses": ["1.2.3"]}, "is not an e-mail"),
        ({"domains": ["http://x.y"]}, "is not a domain"),
        ({"domains": [""]}, "is not a domain"),
        ({"words": [f"*abc{n}*" for n in range(101)]}, "allowed: 100"),
    ],
)
def test_entries_that_cannot_be_used_are_named(lists: dict[str, list[str]], about: str) -> None:
    with pytest.raises(ValueError, match=about):
        blocklists.build_blocklist(**lists)


def test_links_are_counted() -> None:
    text = (
        'http://a.b <a href="https://c.d/e?f=http">x</a> [url=https://g.h]i[/url] www.j.k,'
        " mailto:l@m.n, http: //o"
    )
    assert blocklists.count_links(text) == 4
    assert layer_of(submission({"m": text}, Spam(max_links=3))) == "links"
    assert find_spam_reason(submission({"m": text}, Spam(max_links=4))) is None
    assert layer_of(submission({"m": "see https://x.y"}, Spam(max_links=0))) == "links"


def test_all_values_are_looked_at_however_they_are_nested() -> None:
    deep: Any = "casino"
    for _ in range(400):
        deep = {"a": [deep]}
    assert layer_of(submission({"x": deep}, blocking(words=["casino"]))) == "word"
    assert (
        find_spam_reason(submission({"casino": "name of a field"}, blocking(words=["casino"])))
        is None
    )


def test_a_text_is_searched_up_to_its_limit_after_normalization_too() -> None:
    """The one letter becomes 18."""
    text = blocklists.submission_text({"a": "\ufdfa" * blocklists.MAX_TEXT_CHARS})
    assert len(text) == blocklists.MAX_TEXT_CHARS


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="ab@.:/<>whtps \n\u0130ß", max_size=2000))
def test_no_text_makes_the_lists_fail(text: str) -> None:
    rules = replace(
        blocking(words=["a b", "*bbb*"], addresses=["a@b.a"], domains=["b.a"]), max_links=1
    )
    find_spam_reason(submission({"m": text}, rules))


@pytest.mark.parametrize(
    ("piece", "size"),
    [
        ("a@", 100_000),
        ("http://", 40_000),
        ("www.", 60_000),
        ("x", 250_000),
        ("a" * 64 + "@", 4_000),
        ("é ", 100_000),
    ],
)
def test_the_time_of_long_texts_and_long_lists_grows_with_the_text_only(
    piece: str, size: int
) -> None:
    rules = replace(
        blocking(
            words=[f"word{n} and more" for n in range(10_000)],
            domains=[f"d{n}.example" for n in range(10_000)],
            addresses=[f"10.{n // 250}.{n % 250}.0/24" for n in range(10_000)],
        ),
        max_links=10**6,
    )

    def prepare(size: int) -> Work:
        sent = submission({"m": piece * size}, rules)
        return lambda: find_spam_reason(sent)

    check_growth(prepare, size)


# -- captchas


def told(**said: Any) -> Answer:
    return Answer(status=200, body=json.dumps(said).encode())


@pytest.mark.parametrize("kind", captchas.CAPTCHA_SERVICES)
def test_a_captcha_that_is_solved_speaks_for_the_submission(kind: str) -> None:
    site = replace(
        SITE, kind=kind, score=0.5 if captchas.CAPTCHA_SERVICES[kind].has_score else None
    )
    asked = []

    def solve(captcha: Captcha, response: str, address: str | None) -> str | None:
        asked.append((captcha, response, address))
        return captchas.read_verification(
            captcha, told(success=True, score=0.9, hostname="example.com")
        )

    for name in captchas.CAPTCHA_SERVICES[kind].fields:
        assert (
            find_spam_reason(submission({"a": "b", name: "tok"}, Spam(captcha=site), solve=solve))
            is None
        )
    assert asked[0] == (site, "tok", "203.0.113.9")
    assert layer_of(submission({"a": "b"}, Spam(captcha=site), solve=solve)) == "captcha"
    assert (
        layer_of(
            submission(
                {"a": "b", captchas.CAPTCHA_SERVICES[kind].fields[0]: "x" * 9000},
                Spam(captcha=site),
                solve=solve,
            )
        )
        == "captcha"
    )
    assert len(asked) == len(captchas.CAPTCHA_SERVICES[kind].fields)


@pytest.mark.parametrize(
    ("answer", "about"),
    [
        (told(success=False, **{"error-codes": ["timeout-or-duplicate"]}), "used before"),
        (told(success=False, **{"error-codes": ["invalid-input-response"]}), "not solved"),
        (told(success=False), "not solved"),
        (told(success=False, **{"error-codes": "nonsense"}), "not solved"),
        (told(success=False, **{"error-codes": ["invalid-input-secret"]}), "could not be checked"),
        (told(success="true"), "could not be checked"),
        (told(success=1), "could not be checked"),
        (told(), "could not be checked"),
        (Answer(status=200, body=b"<html>"), "could not be checked"),
        (Answer(status=200, body=b"[true]"), "could not be checked"),
        (
            Answer(status=302, headers={"location": "http://x"}, body=b'{"success":true}'),
            "could not be checked",
        ),
        (Answer(status=500, body=b'{"success":true}'), "could not be checked"),
        (Answer(status=400, body=b'{"success":false}'), "not solved"),
        (Answer(status=200, body=b'{"success":true}', truncated=True), "could not be checked"),
        (
            NoAnswer("captcha.example: no answer within 5 s", sent=True),
            "could not be checked: captcha.example",
        ),
        (told(success=True, hostname="evil.example"), "another site"),
        (told(success=True), "another site"),
        (told(success=True, hostname="Example.com", action="login"), "another action"),
        (
            told(success=True, hostname="example.com", action="contact", score=0.3),
            "its score is 0.30",
        ),
        (
            told(success=True, hostname="example.com", action="contact", score="0.9"),
            "could not be checked",
        ),
        (
            told(success=True, hostname="example.com", action="contact", score=True),
            "could not be checked",
        ),
        (told(success=True, hostname="example.com", action="contact"), "could not be checked"),
        (told(success=True, hostname="example.com", action="contact", score=0.5), None),
    ],
)
def test_what_a_service_says_is_taken_for_no_more_than_it_is(
    answer: Answer | NoAnswer, about: str | None
) -> None:
    site = replace(
        SITE, kind="recaptcha_v3", score=0.5, action="contact", hostnames=frozenset({"example.com"})
    )
    reason = captchas.read_verification(site, answer)
    assert reason is None if about is None else about in (reason or "")


def test_a_service_that_cannot_be_asked_holds_or_lets_pass() -> None:
    lost = NoAnswer("captcha.example: no connection", sent=False)
    fields = {"a": "b", "cf-turnstile-response": "tok"}
    for holds in (True, False):
        one = submission(
            fields,
            Spam(captcha=replace(SITE, holds=holds)),
            solve=lambda captcha, *_: captchas.read_verification(captcha, lost),
        )
        assert (layer_of(one) == "captcha") is holds
    bad = submission(
        fields,
        Spam(captcha=replace(SITE, holds=False)),
        solve=lambda captcha, *_: captchas.read_verification(captcha, told(success=False)),
    )
    assert layer_of(bad) == "captcha"


def test_the_service_is_told_the_address_only_where_the_form_says_so() -> None:
    quiet = captchas.build_verification(SITE, "a&b=c", "203.0.113.9")
    open_ = captchas.build_verification(replace(SITE, tells_address=True), "t", "203.0.113.9")
    assert quiet.body == b"secret=s3cret&response=a%26b%3Dc"
    assert open_.body.endswith(b"remoteip=203.0.113.9")
    assert "s3cret" not in repr(SITE) + quiet.url


def test_nobody_is_asked_about_what_is_spam_anyway() -> None:
    def solve(*_: Any) -> str | None:
        raise AssertionError("asked")

    assert (
        layer_of(
            submission(
                {"_gotcha": "x", "cf-turnstile-response": "tok"}, Spam(captcha=SITE), solve=solve
            )
        )
        == "honeypot"
    )


@pytest.mark.parametrize(
    ("fields", "layer"),
    [
        ({TOKEN_FIELD: token(is_ours=True), "altcha": solution()}, None),
        ({TOKEN_FIELD: token(is_ours=True)}, "captcha"),
        ({"altcha": solution()}, "captcha"),
        ({TOKEN_FIELD: token(), "altcha": solution()}, "captcha"),
        ({TOKEN_FIELD: token().replace(NONCE, NONCE + ".ours"), "altcha": solution()}, "token"),
        ({TOKEN_FIELD: token(is_ours=True, key="x"), "altcha": solution()}, "token"),
        ({TOKEN_FIELD: token(is_ours=True), "altcha": solution(number=78)}, "altcha"),
        ({TOKEN_FIELD: token(is_ours=True), "altcha": solution(source="other")}, "altcha"),
    ],
    ids=range(8),
)
def test_on_pages_of_ours_work_stands_for_a_captcha(
    fields: dict[str, Any], layer: str | None
) -> None:
    """They have nothing of others in them, so no widget; and it has to be both: a token that says
    so, and the work.
    """
    assert layer_of(submission({"a": "b", **fields}, Spam(captcha=SITE))) == layer
    off = Spam(captcha=SITE, token="off", altcha="off")
    assert layer_of(submission({"a": "b", **fields}, off)) == (None if layer is None else "captcha")


# -- what is remembered


def test_marks_are_keyed_hashes_of_what_is_there_once() -> None:
    rates = Rate(count=60, per=60.0), Rate(count=10, per=60.0)
    plain = build_marks(submission(), *rates)
    with_token = build_marks(submission({TOKEN_FIELD: token(), "altcha": solution()}), *rates)
    assert [one.key.partition(":")[0] for one in plain.once] == ["same"]
    assert [one.key.partition(":")[0] for one in with_token.once] == ["altcha", "token"]
    assert [one.key.partition(":")[0] for one in plain.limits] == ["form", "address"]
    assert plain.once[0].until == NOW + 600
    everything = repr((plain, with_token))
    assert "203.0.113" not in everything and NONCE not in everything
    assert (
        build_marks(replace(submission(), secret_key="x" * 64), *rates).limits[1].key
        != plain.limits[1].key
    )


def test_what_is_no_good_token_is_not_remembered_as_one() -> None:
    for text in (token(key="x" * 64), token(NOW - 1e6), "rubbish"):
        assert [
            one.key.partition(":")[0]
            for one in build_marks(submission({TOKEN_FIELD: text}), None, None).once
        ] == ["same"]
    assert build_marks(submission(spam=Spam(duplicates=None)), None, None).once == ()


def test_an_address_of_ipv6_counts_with_all_of_its_network() -> None:
    def key(address: str) -> str:
        return (
            build_marks(replace(submission(), address=address), None, Rate(count=1, per=1.0))
            .limits[0]
            .key
        )

    assert key("2001:db8:1:2::1") == key("2001:db8:1:2:ffff::9") != key("2001:db8:1:3::1")
    assert key("203.0.113.9") == key("::ffff:203.0.113.9") != key("203.0.113.8")
