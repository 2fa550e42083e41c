"""Secret enrolment: which requests deliver a sender's secret, and which do not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from handshake_requests import HOSTILE, MARKUP, TEXTS, answer, json_post
from senders import sender
from signing import NOW

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.model import DeliveredSecret, Probe
from bridge.providers.registry import PROVIDERS


def taught(name: str, request: Request) -> DeliveredSecret | None:
    learn = PROVIDERS[name].learn
    assert learn is not None
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    return learn.read(Probe(request, body))


class TestAsana:
    """https://developers.asana.com/docs/webhooks-guide"""

    secret = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81"

    def test_a_heartbeat_is_answered_after_verification_and_is_no_event(self) -> None:
        one = sender("asana")
        beat = json_post("asana", {"events": []})
        reply, events = answer(one, one.sign(beat))
        assert (reply.status, reply.body, events) == (200, b"", [])
        with pytest.raises(BadSignature):
            answer(one, beat)

    def test_the_secret_is_learned_and_written_back(self) -> None:
        lesson = taught("asana", json_post("asana", {}, **{"x-hook-secret": self.secret}))
        assert lesson is not None and lesson.secret == self.secret
        assert (lesson.reply.status, lesson.reply.headers) == (200, {"X-Hook-Secret": self.secret})
        assert self.secret not in repr(lesson).replace(repr(lesson.reply), "")
        signed = replace(sender("asana"), secret=lesson.secret, private=lesson.secret).signed()
        replace(sender("asana"), secret=lesson.secret).verify(signed, NOW)

    @pytest.mark.parametrize("secret", [*TEXTS, "short", "x" * 257])
    def test_what_is_no_secret_teaches_nothing(self, secret: str) -> None:
        learned = taught("asana", json_post("asana", {}, **{"x-hook-secret": secret}))
        assert learned is None or (learned.secret == secret and secret in (MARKUP, "x" * 201))

    def test_a_signed_request_teaches_nothing(self) -> None:
        assert (
            taught(
                "asana",
                json_post("asana", {}, **{"x-hook-secret": self.secret, "x-hook-signature": "ab"}),
            )
            is None
        )

    def test_a_secret_is_ignored_outside_of_an_enrolment(self) -> None:
        with pytest.raises(BadSignature):
            answer("asana", json_post("asana", {}, **{"x-hook-secret": self.secret}))


class TestNotion:
    """https://developers.notion.com/reference/webhooks"""

    token = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"

    def test_the_token_is_learned_and_shown(self) -> None:
        lesson = taught("notion", json_post("notion", {"verification_token": self.token}))
        assert lesson is not None and (lesson.secret, lesson.reply.status, lesson.reply.body) == (
            self.token,
            200,
            b"",
        )
        learn = PROVIDERS["notion"].learn
        assert learn is not None and learn.shown

    @pytest.mark.parametrize(
        "token", [value for value in HOSTILE if value not in (MARKUP, "x" * 201)]
    )
    def test_what_is_no_token_teaches_nothing(self, token: Any) -> None:
        assert taught("notion", json_post("notion", {"verification_token": token})) is None

    def test_an_event_that_holds_one_teaches_nothing(self) -> None:
        assert (
            taught(
                "notion",
                json_post("notion", {"verification_token": self.token, "type": "page.created"}),
            )
            is None
        )

    def test_a_secret_is_ignored_outside_of_an_enrolment(self) -> None:
        with pytest.raises(BadSignature):
            answer("notion", json_post("notion", {"verification_token": self.token}))
