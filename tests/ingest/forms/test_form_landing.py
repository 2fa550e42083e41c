"""Where a browser may be sent after a form: to allowed sites, whatever the URL is dressed up as."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ingest.forms.redirects import origin_of, plain_origin, redirect_target

ALLOWED = frozenset({"https://example.com", "http://localhost:3000", "https://[2001:db8::1]:8443"})


@pytest.mark.parametrize(
    ("url", "lands"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://example.com/thanks?a=1&b=%20#top", "https://example.com/thanks?a=1&b=%20#top"),
        ("HTTPS://EXAMPLE.COM:443/Thanks", "https://example.com/Thanks"),
        ("https://example.com/é?q=ü", "https://example.com/%C3%A9?q=%C3%BC"),
        ('https://example.com/"><script>', "https://example.com/%22%3E%3Cscript%3E"),
        (
            "https://example.com/?next=https://evil.example",
            "https://example.com/?next=https://evil.example",
        ),
        ("https://example.com//evil.example", "https://example.com//evil.example"),
        ("https://example.com?@evil.example/", "https://example.com/?@evil.example/"),
        ("https://example.com#@evil.example/", "https://example.com/#@evil.example/"),
        ("http://localhost:3000/x", "http://localhost:3000/x"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x"),
    ],
)
def test_a_page_of_an_allowed_site_is_landed_on(url: str, lands: str) -> None:
    assert redirect_target(url, ALLOWED) == lands


HOSTILE = [
    "",
    "null",
    "https://evil.example/",
    "http://example.com/",
    "https://example.com:444/",
    "https://example.com:99999999/",
    "https://example.com.evil.example/",
    "https://evil.example/https://example.com/",
    "https://evil.example#https://example.com/",
    "https://evil.example?https://example.com/",
    "https://example.com@evil.example/",
    "https://example.com:443@evil.example/",
    "https://user:pass@example.com/",
    "https://example.com;@evil.example/",
    "https://example.com\\@evil.example/",
    "https://example.com\\.evil.example/",
    "https:\\\\example.com/",
    "\\\\evil.example/",
    "/\\evil.example/",
    "https://example.com%2eevil.example/",
    "https://example.com%00.evil.example/",
    "https://example.com\u3002evil.example/",
    "https://\uff45xample.com/",
    "https://example。com/",
    "https://example.com./",
    "https://.example.com/",
    "https://[::ffff:example.com]/",
    "https://[::1/",
    "https://example.com/\r\nSet-Cookie: a=b",
    "https://example.com/\nX: y",
    "https://example.com/%\r",
    "https://exam\tple.com/",
    " https://example.com/",
    "https://example.com/ ",
    "https://example.com/\x00",
    "https://example.com/\u2028",
    "javascript:alert(1)",
    "java\tscript:alert(1)",
    "JaVaScRiPt://example.com/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "blob:https://example.com/x",
    "file:///etc/passwd",
    "ftp://example.com/",
    "https:/evil.example",
    "https:evil.example",
    "https:///evil.example",
    "https:////evil.example",
    "//evil.example",
    "///evil.example",
    "/thanks",
    "thanks.html",
    "https://example.com/" + "a" * 3000,
]


@pytest.mark.parametrize("url", HOSTILE)
def test_nothing_else_is(url: str) -> None:
    assert redirect_target(url, ALLOWED) is None


@pytest.mark.parametrize("url", HOSTILE)
def test_with_a_base_nothing_leads_elsewhere(url: str) -> None:
    """What is no whole URL is then a page of the base; it begins with that origin, written by
    us.
    """
    lands = redirect_target(url, {"https://example.com"}, "https://example.com")
    assert lands is None or lands.startswith("https://example.com/")


@pytest.mark.parametrize(
    ("url", "lands"),
    [
        ("/thanks", "https://example.com/thanks"),
        ("thanks.html?x", "https://example.com/thanks.html?x"),
        ("//example.com/a", "https://example.com/a"),
        ("//evil.example", None),
        ("https://evil.example/", None),
        ("../../x", "https://example.com/x"),
    ],
)
def test_a_page_without_a_site_is_one_of_the_base(url: str, lands: str | None) -> None:
    assert redirect_target(url, ALLOWED, "https://example.com") == lands


@given(
    st.text(max_size=60)
    | st.text(alphabet="htps:/\\@.example#?%;[]0123456789 \t\r\n-_", max_size=60)
)
def test_whatever_it_is_it_lands_on_an_allowed_site_or_nowhere(text: str) -> None:
    for url in (
        text,
        f"https://example.com{text}",
        f"https://{text}@example.com/",
        f"https://example.com/{text}",
    ):
        lands = redirect_target(url, ALLOWED, "https://example.com")
        assert lands is None or (
            lands.isascii() and lands.isprintable() and " " not in lands and "\\" not in lands
        )
        if lands is not None:
            parts = urlsplit(lands)
            assert f"{parts.scheme}://{parts.netloc}" in ALLOWED


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Example.com:443/a", "https://example.com"),
        ("http://a.b:80", "http://a.b"),
        ("http://a.b:8080/x?y", "http://a.b:8080"),
        ("null", None),
        ("about:blank", None),
        ("https://a b/", None),
        ("https://u@a/", None),
        ("", None),
        ("file:///x", None),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


def test_an_origin_has_no_path() -> None:
    assert plain_origin("https://example.com/") is None
    assert plain_origin("https://example.com") == "https://example.com"
