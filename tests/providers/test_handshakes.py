"""URL tests: the senders' real requests are answered, and hostile ones are not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from senders import sender, stranger
from signing import NOW, post, secrets

from bridge.core.errors import BadSignature, Refused
from bridge.core.http_messages import Request
from bridge.core.locators import URLENCODED
from bridge.core.model import Event
from bridge.providers.handshakes.general import MAX_ECHO_CHARACTERS, verify_token
from bridge.providers.model import Reply
from bridge.providers.registry import PROVIDERS

HOSTILE = (
    "",
    "a\r\nSet-Cookie: x=1",
    "a\x00b",
    "a\u202eb",
    "\ud800",
    "x" * (MAX_ECHO_CHARACTERS + 1),
)
MARKUP = "<script>alert(1)</script>"
CODE = "890e4665-4dfe-4ab1-b689-ed553bceeed0"


def ask(
    name: str,
    method: str = "GET",
    query: str = "",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
) -> Request:
    return replace(
        post(
            body, headers or {}, url=f"https://example.com/hooks/{name}?{query}", query_string=query
        ),
        method=method,
    )


def answer(name: str, request: Request) -> tuple[Reply, list[Event]]:
    received, events = sender(name).receive(request)
    return received.reply, events


def said(name: str, request: Request) -> Any:
    """The JSON of an answer to a test of the URL, which leaves no event."""
    reply, events = answer(name, request)
    assert (reply.status, events) == (200, [])
    return json.loads(reply.body)


def json_of(name: str, document: Any) -> Request:
    return sender(name).sign(post(json.dumps(document).encode()))


class TestZoom:
    """https://developers.zoom.us/docs/api/webhooks/"""

    def test_is_answered_with_the_token_and_its_digest(self) -> None:
        one = replace(sender("zoom"), secret="zoom_secret_token", private="zoom_secret_token")
        document = {
            "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"},
            "event_ts": 1654503849680,
            "event": "endpoint.url_validation",
        }
        received, events = one.receive(one.sign(post(json.dumps(document).encode())))
        assert not events
        assert json.loads(received.reply.body) == {
            "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
            "encryptedToken": "bd48235863f4a6323ccc4963c594908b7c97f88b4a6a95278f4f093690b12726",
        }

    def test_other_requests_get_no_digest(self) -> None:
        body = json.dumps(
            {"event": "endpoint.url_validation", "payload": {"plainToken": "v0:1:x"}}
        ).encode()
        for request in (post(body), stranger(sender("zoom")).sign(post(body))):
            with pytest.raises(BadSignature):
                sender("zoom").receive(request)

    @pytest.mark.parametrize("token", ["v0:1700000000:{}", "", "a b", None, 5, "x" * 300])
    def test_zoom_gets_no_digest_of_a_possible_event(self, token: Any) -> None:
        reply, events = answer(
            "zoom",
            json_of("zoom", {"event": "endpoint.url_validation", "payload": {"plainToken": token}}),
        )
        assert (reply.status, reply.body, len(events)) == (200, b"", 1)


class TestX:
    """https://docs.x.com/x-api/webhooks/quickstart"""

    def test_is_answered_with_a_digest(self) -> None:
        one = replace(sender("x"), secret="Convoy")  # a published vector of convoy's tests
        received, _ = one.receive(ask("x", query="crc_token=uzwcfYtzr9"))
        assert json.loads(received.reply.body) == {
            "response_token": "sha256=HXvxTdsfShG6k2zC9NVANwFquJBdOugRYHax2vNiiOo="
        }

    @pytest.mark.parametrize(
        "token", ['{"for_user_id":"1"}', "[1]", '"a"', "a b", "", "x" * 201, "é"]
    )
    def test_nothing_that_could_be_an_event_is_signed(self, token: str) -> None:
        with pytest.raises(BadSignature):
            sender("x").receive(ask("x", query="crc_token=" + quote(token)))


class TestLinkedin:
    """https://learn.microsoft.com/en-us/linkedin/shared/api-guide/webhook-validation"""

    def test_is_answered_with_a_digest(self) -> None:
        one = replace(sender("linkedin"), secret="client_secret")
        received, _ = one.receive(ask("linkedin", query=f"challengeCode={CODE}"))
        assert json.loads(received.reply.body) == {
            "challengeCode": CODE,
            "challengeResponse": "901fd732a92f8eec45c5310f5a009e61b3a270759eb22f5ba7090b5b12c07437",
        }

    @pytest.mark.parametrize("code", ["hmacsha256={}", "x", "", CODE + "0", CODE.replace("-", "")])
    def test_nothing_but_a_uuid_is_signed(self, code: str) -> None:
        with pytest.raises(BadSignature):
            sender("linkedin").receive(ask("linkedin", query="challengeCode=" + quote(code)))


class TestMeta:
    """https://developers.facebook.com/docs/graph-api/webhooks/getting-started"""

    def query(self, **changed: str) -> str:
        given = {
            "mode": "subscribe",
            "verify_token": verify_token(sender("meta").secret),
            "challenge": "1158201444",
        } | changed
        return urlencode({f"hub.{name}": value for name, value in given.items()})

    def test_the_challenge_comes_back_as_text(self) -> None:
        reply, events = answer("meta", ask("meta", query=self.query()))
        assert (reply.status, reply.body, events) == (200, b"1158201444", [])
        assert (
            reply.content_type.startswith("text/plain")
            and reply.headers["X-Content-Type-Options"] == "nosniff"
        )

    @pytest.mark.parametrize(
        "changed",
        [
            {"verify_token": "guessed"},
            {"verify_token": ""},
            {"verify_token": "é\udcff".encode("utf-8", "surrogateescape").decode("latin-1")},
            {"mode": "unsubscribe"},
            {"challenge": MARKUP},
            {"challenge": ""},
        ],
    )
    def test_other_tests_are_refused(self, changed: dict[str, str]) -> None:
        with pytest.raises(BadSignature):
            sender("meta").receive(ask("meta", query=self.query(**changed)))

    def test_the_secret_itself_is_no_verify_token(self) -> None:
        """It travels in a URL, and would be the key of every signature."""
        with pytest.raises(BadSignature):
            sender("meta").receive(
                ask("meta", query=self.query(verify_token=sender("meta").secret))
            )


class TestTwitch:
    """https://dev.twitch.tv/docs/eventsub/handling-webhook-events/"""

    TYPE = "webhook_callback_verification.channel.follow"

    def test_the_challenge_comes_back_bare_and_only_after_verification(self) -> None:
        one = sender("twitch")
        reply, events = answer("twitch", one.signed(self.TYPE))
        assert (reply.status, reply.body, reply.content_type, events) == (
            200,
            b"fresh-id",
            "text/plain; charset=utf-8",
            [],
        )
        with pytest.raises(BadSignature):
            one.receive(one.request(self.TYPE))

    def test_a_revocation_is_an_event_of_its_own_type(self) -> None:
        one = sender("twitch")
        assert [
            event.type for event in one.receive(one.signed("revocation.channel.follow"))[1]
        ] == ["revocation.channel.follow"]

    @pytest.mark.parametrize("challenge", [*HOSTILE, None, 5, {}])
    def test_what_does_not_print_is_not_echoed(self, challenge: Any) -> None:
        one = sender("twitch")
        body = json.dumps({"challenge": challenge}).encode()
        reply, events = answer("twitch", one.sign(replace(one.request(self.TYPE), body=body)))
        assert (reply.status, len(events)) == (202, 1)


class TestOkta:
    """https://developer.okta.com/docs/concepts/event-hooks/"""

    def test_the_challenge_comes_back_as_json(self) -> None:
        request = ask(
            "okta", headers={"X-Okta-Verification-Challenge": "my verification challenge"}
        )
        assert said("okta", request) == {"verification": "my verification challenge"}

    @pytest.mark.parametrize("challenge", HOSTILE)
    def test_what_does_not_print_is_not_echoed(self, challenge: str) -> None:
        with pytest.raises(BadSignature):
            sender("okta").receive(
                ask("okta", headers={"X-Okta-Verification-Challenge": challenge})
            )

    def test_markup_stays_json_that_no_browser_renders(self) -> None:
        reply, _ = answer("okta", ask("okta", headers={"X-Okta-Verification-Challenge": MARKUP}))
        assert (reply.content_type, reply.headers["X-Content-Type-Options"]) == (
            "application/json",
            "nosniff",
        )


class TestDiscord:
    """https://docs.discord.com/developers/interactions/overview"""

    def test_ping_is_answered_after_verification_only(self) -> None:
        assert said("discord", json_of("discord", {"type": 1, "id": "1", "version": 1})) == {
            "type": 1
        }
        with pytest.raises(BadSignature):
            sender("discord").receive(post(b'{"type":1}'))

    def test_a_command_is_deferred_and_stored(self) -> None:
        reply, events = answer("discord", sender("discord").signed("water"))
        assert (reply.status, json.loads(reply.body), events[0].type) == (200, {"type": 5}, "water")

    @pytest.mark.parametrize("kind", [True, "1", 1.0, None, 2])
    def test_nothing_else_is_a_ping(self, kind: Any) -> None:
        assert len(answer("discord", json_of("discord", {"type": kind, "id": "1"}))[1]) == 1

    def test_webhook_events_are_answered_204(self) -> None:
        reply, events = answer(
            "discord_events",
            json_of("discord_events", {"version": 1, "application_id": "2", "type": 0}),
        )
        assert (reply.status, reply.body, events) == (204, b"", [])
        reply, events = answer("discord_events", sender("discord_events").signed())
        assert (reply.status, reply.body, len(events)) == (204, b"", 1)


class TestEcho:
    """Nylas and Microsoft Graph, as the functions' docstrings say."""

    ASKED = tuple(
        row
        for row in (("nylas", "GET", "challenge"), ("msgraph", "POST", "validationToken"))
        if row[0] in PROVIDERS
    )

    @pytest.mark.parametrize(("name", "method", "parameter"), ASKED)
    def test_the_text_comes_back_as_text(self, name: str, method: str, parameter: str) -> None:
        for text in (
            "xyz",
            "Validation: Testing client application reachability for subscription Request-Id: 3c6a",
            MARKUP,
        ):
            reply, events = answer(name, ask(name, method, f"{parameter}={quote(text)}"))
            assert (reply.status, reply.body.decode(), events) == (200, text, [])
            assert (
                reply.content_type == "text/plain; charset=utf-8"
                and reply.headers["X-Content-Type-Options"] == "nosniff"
            )

    @pytest.mark.parametrize(("name", "method", "parameter"), ASKED)
    # which a query cannot hold
    @pytest.mark.parametrize("text", [text for text in HOSTILE if text != "\ud800"])
    def test_what_does_not_print_is_not_echoed(
        self, name: str, method: str, parameter: str, text: str
    ) -> None:
        with pytest.raises(BadSignature):
            sender(name).receive(
                ask(name, method, f"{parameter}={quote(text, errors='surrogatepass')}")
            )


class TestAlive:
    """Intercom, Mandrill and Mailchimp look whether the URL is there."""

    @pytest.mark.parametrize(
        ("name", "method"), [("intercom", "HEAD"), ("mandrill", "HEAD"), ("mailchimp", "GET")]
    )
    def test_the_url_is_there_and_no_event_comes_of_it(self, name: str, method: str) -> None:
        reply, events = answer(name, ask(name, method))
        assert (reply.status, reply.body, events) == (200, b"", [])

    @pytest.mark.parametrize("name", ["intercom", "github", "line"])
    def test_others_say_which_methods_there_are(self, name: str) -> None:
        with pytest.raises(Refused) as refused:
            sender(name).receive(ask(name, "GET"))
        assert refused.value.status == 405

    def test_mandrills_empty_batch_is_answered_though_its_key_is_everybodys(self) -> None:
        form = {"content-type": URLENCODED}
        reply, events = answer("mandrill", post(b"mandrill_events=%5B%5D", form))
        assert (reply.status, events) == (200, [])
        with pytest.raises(BadSignature):
            sender("mandrill").receive(
                post(
                    urlencode({"mandrill_events": '[{"event":"send","_id":"1","ts":1}]'}).encode(),
                    form,
                )
            )

    def test_lines_button_is_answered_after_verification_only(self) -> None:
        empty = post(b'{"destination":"U1","events":[]}')
        reply, events = answer("line", sender("line").sign(empty))
        assert (reply.status, events) == (200, [])
        with pytest.raises(BadSignature):
            sender("line").receive(empty)


class TestSlack:
    """https://docs.slack.dev/reference/events/url_verification"""

    def test_all_that_is_taken_is_an_empty_200(self) -> None:
        one = sender("slack")
        for request in (
            one.signed("message"),
            one.sign(
                post(
                    urlencode({"command": "/deploy", "trigger_id": "t", "text": ""}).encode(),
                    {"content-type": URLENCODED},
                )
            ),
        ):
            received, events = one.receive(request)
            assert (received.reply.status, received.reply.body, len(events)) == (200, b"", 1)


class TestTwilio:
    def test_a_call_gets_a_document_that_says_nothing(self) -> None:
        reply, events = answer("twilio", sender("twilio").signed("ringing"))
        assert (reply.status, reply.content_type) == (200, "text/xml") and reply.body.endswith(
            b"<Response></Response>"
        )
        assert str(events[0].provider_id).startswith("sha256:")


class TestMandrill:
    def test_a_form_of_many_events_is_taken_apart(self) -> None:
        one = sender("mandrill")
        held = [
            {"event": kind, "_id": f"m{number}", "ts": 1}
            for number, kind in enumerate(("send", "open", "click"))
        ]
        request = replace(
            one.request(), body=urlencode({"mandrill_events": json.dumps(held)}).encode()
        )
        _, events = one.receive(one.sign(request))
        assert [event.provider_id for event in events] == ["send:m0:1", "open:m1:1", "click:m2:1"]
        assert [event.type for event in events] == ["send", "open", "click"]


def test_gitlabs_two_kinds_of_secret_do_not_stand_in_for_each_other() -> None:
    """A secret that is shown is not enough where the webhook signs with it."""
    secret = "whsec_" + "A" * 43 + "="
    request = post(
        b"{}", {"X-Gitlab-Token": secret, "webhook-id": "1", "webhook-timestamp": str(int(NOW))}
    )
    with pytest.raises(BadSignature):
        sender("gitlab").scheme.verify(request, secrets(secret), NOW)
