"""What was done to a request on its way is found out: renamed headers, another name of the URL; and
what no stranger's copy may show.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import NOW

from bridge.config.loader import load
from bridge.core.http_messages import Request
from bridge.core.model import Reject
from bridge.ingest import diagnosis
from bridge.ingest.diagnosis import diagnose
from bridge.ingest.rejects import build_reject
from bridge.providers.signatures.scheme import Secret
from bridge.routing.model import Config

SECRET = "a-long-secret-of-theirs"
TOKEN = "w-r-o-n-g-place"
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ROUTES = f"""
version: 1
platforms: {{local: {{type: local}}}}
sources:
  github: {{provider: github, secret: {SECRET}}}
  svix: {{provider: svix, secret: {WHSEC}}}
  square: {{provider: square, secret: {SECRET}}}
  twilio: {{provider: twilio, secret: {SECRET}}}
  gitlab: {{provider: gitlab, secret: {SECRET}}}
  crm: {{provider: token, secret: {SECRET}, verify: {{header: X-Api-Key}}}}
  notion: {{provider: notion}}
  ended: {{provider: github, secrets: [{{value: {SECRET}-2, not_after: 2020-01-01}}]}}
"""
BODY = b'{"a":1}'
HERE = "http://127.0.0.1:8080"
AGAIN = "The signature is right if the header {!r} is read as {!r}: a proxy renamed it."


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    path = tmp_path_factory.mktemp("config") / "routes.yaml"
    path.write_text(ROUTES)
    return load(path, {})


def signed(
    config: Config,
    name: str,
    url: str = HERE,
    query: str = "",
    headers: dict[str, str] | None = None,
) -> Request:
    given = {"content-type": "application/json", "host": "127.0.0.1:8080", **(headers or {})}
    request = Request(
        method="POST",
        path=f"/hooks/{name}",
        headers=given,
        body=BODY,
        query_string=query,
        url=f"{url}/hooks/{name}{'?' if query else ''}{query}",
    )
    source = config.sources[name]
    return source.scheme.sign(request, source.secrets[0].value, NOW)


def turned_away(config: Config, name: str, request: Request, reason: str = "missing") -> Reject:
    return build_reject(
        request, config.sources[name], reason, NOW, "rej_x", config.sources.values()
    )


def why(config: Config, name: str, request: Request, reason: str = "missing") -> str:
    found = diagnose(turned_away(config, name, request, reason), config)
    assert SECRET not in " ".join(found)
    return found[0] if found else ""


def renamed(request: Request, name: str, once: str) -> Request:
    return replace(
        request,
        headers={once if one == name else one: value for one, value in request.headers.items()},
    )


@pytest.mark.parametrize(
    "name",
    ["x-original-x-hub-signature-256", "x_hub_signature_256", "hub-signature-256", "x-sig", "zzz"],
)
def test_a_header_that_was_renamed_is_found_by_its_value_whatever_it_is_called(
    config: Config, name: str
) -> None:
    request = renamed(signed(config, "github"), "x-hub-signature-256", name)
    assert why(config, "github", request) == AGAIN.format(name, "x-hub-signature-256")


def test_headers_that_were_all_renamed_alike_are_found(config: Config) -> None:
    request = signed(config, "svix")
    moved = replace(
        request, headers={f"x-original-{name}": value for name, value in request.headers.items()}
    )
    assert why(config, "svix", moved).startswith(
        "The signature is right if the header 'x-original-svix-"
    )
    time = renamed(request, "svix-timestamp", "x-original-svix-timestamp")
    assert why(config, "svix", time) == AGAIN.format("x-original-svix-timestamp", "svix-timestamp")


def test_a_header_that_was_renamed_and_proves_nothing_is_told_by_its_name(config: Config) -> None:
    request = renamed(
        signed(config, "github"), "x-hub-signature-256", "x-original-x-hub-signature-256"
    )
    said = why(config, "github", replace(request, body=b"{}"))
    name = "x-original-x-hub-signature-256"
    assert (
        said == f"The signature is in the header {name!r}, not in header:x-hub-signature-256: a"
        " proxy renamed it."
    )


@pytest.mark.parametrize(
    ("called", "query", "headers"),
    [
        ("https://hooks.example.com", "", {"host": "hooks.example.com"}),
        ("https://hooks.example.com", "a=1", {"x-forwarded-host": "hooks.example.com"}),
        ("http://hooks.example.com:8443", "", {"host": "hooks.example.com:8443"}),
        ("https://127.0.0.1:8080", "", {}),
    ],
)
@pytest.mark.parametrize("name", ["square", "twilio"])
def test_the_url_that_the_sender_called_is_found(
    config: Config, name: str, called: str, query: str, headers: dict[str, str]
) -> None:
    request = signed(config, name, called, query, headers)
    here = replace(request, url=request.url.replace(called, HERE))
    said = why(config, name, here, "mismatch")
    assert said.startswith(
        f"The signature is right for the URL '{called}/hooks/{name}', but here the URL is"
        f" '{HERE}/hooks/{name}': "
    )
    assert "FLOWBRIDGE_PUBLIC_URL" in said and "a=1" not in said


def test_where_no_url_fits_the_one_that_is_taken_is_shown(config: Config) -> None:
    request = replace(
        signed(config, "square", "https://elsewhere.example"), url=f"{HERE}/hooks/square"
    )
    assert f"is '{HERE}/hooks/square'" in why(config, "square", request, "mismatch")
    nobodys = signed(config, "github")
    assert (
        why(
            config,
            "github",
            replace(
                nobodys, headers={**nobodys.headers, "x-hub-signature-256": "sha256=" + "0" * 64}
            ),
        )
        == ""
    )


def test_a_source_that_knows_no_secret_says_so(config: Config) -> None:
    request = Request(
        method="POST", path="/", headers={"x-notion-signature": "sha256=" + "0" * 64}, body=BODY
    )
    said = why(config, "notion", request, "no_secret")
    assert (
        said
        == "The source has no secret yet: `flowbridge learn notion` waits for Notion to send it."
    )
    knowing = replace(
        config,
        sources={
            **config.sources,
            "notion": replace(config.sources["notion"], secrets=(Secret("x" * 20),)),
        },
    )
    assert "has no secret yet" not in " ".join(
        diagnose(turned_away(config, "notion", request), knowing)
    )
    ended = config.sources["ended"].scheme.sign(replace(request, headers={}), "another-one", NOW)
    assert "had no valid secret" in " ".join(
        diagnose(turned_away(config, "ended", ended, "no_secret"), config)
    )


def test_what_was_readmitted_is_not_offered_again(config: Config) -> None:
    reject = replace(turned_away(config, "github", signed(config, "github")), event_ids=("evt_1",))
    assert diagnose(reject, config) == ["It was readmitted and is now an event."]


@pytest.mark.parametrize(
    "header",
    [
        "authorization",
        "x-gitlab-token",
        "x-api-key",
        "x-telegram-bot-api-secret-token",
        "x-original-authorization",
        "x-a-x-gitlab-token",
    ],
)
@pytest.mark.parametrize("name", ["github", "gitlab", "square"])
def test_what_was_shown_to_the_wrong_source_is_not_kept(
    config: Config, name: str, header: str
) -> None:
    request = Request(
        method="POST", path=f"/hooks/{name}", headers={header: TOKEN, "x-event": "push"}, body=BODY
    )
    reject = turned_away(config, name, request)
    assert TOKEN not in repr(reject) and reject.headers == {header: "***", "x-event": "push"}


def test_the_sender_of_a_token_that_is_not_kept_is_told_by_the_header(config: Config) -> None:
    request = Request(
        method="POST", path="/hooks/github", headers={"x-gitlab-token": TOKEN}, body=BODY
    )
    found = " ".join(diagnose(turned_away(config, "github", request), config))
    assert (
        "It looks like GitLab: it has the header 'x-gitlab-token', and GitHub does not send that."
        in found
    )


def test_a_token_in_the_query_is_not_kept_unless_the_query_is_signed(config: Config) -> None:
    request = Request(
        method="POST",
        path="/",
        headers={},
        body=BODY,
        query_string=f"token={TOKEN}&a=1",
        url=f"{HERE}/?token={TOKEN}&a=1",
    )
    reject = turned_away(config, "github", request)
    assert (reject.query_string, reject.url) == ("token=***&a=1", f"{HERE}/?token=***&a=1")
    twilio = signed(config, "twilio", query=f"token={TOKEN}")
    assert diagnose(turned_away(config, "twilio", twilio), config)[0].startswith("It verifies now")


@given(
    st.dictionaries(st.text("ab-_x", max_size=40), st.text(max_size=5), max_size=8),
    st.lists(st.text("ab-x", max_size=9), max_size=3),
)
def test_no_headers_make_it_fail_and_what_is_there_stays_there(
    headers: dict[str, str], wanted: list[str]
) -> None:
    for _, once, respelled in diagnosis.original_headers(headers, wanted):
        assert {**respelled, **headers} == respelled | headers
        assert once in respelled


def test_a_name_of_many_parts_has_few_spellings() -> None:
    assert len(diagnosis.original_names("a-" * 4000 + "b")) <= 2 * diagnosis.MAX_NAME_PARTS


@pytest.mark.parametrize("url", ["http://[", "", "x", "http://h:99999/p"])
def test_no_url_makes_it_fail(url: str) -> None:
    assert all(
        isinstance(one, str)
        for one in diagnosis.original_urls(
            Request(method="POST", path="/", headers={"host": "h"}, body=b"", url=url)
        )
    )
