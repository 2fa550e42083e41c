"""The signed content becomes the event; ambiguous readings are refused, or are one event."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from senders import KEY, Sender, sender
from serving import Bridge
from signing import NOW, post
from tables import for_each

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.locators import URLENCODED, compile_locator
from bridge.providers.model import Provider
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.locations import covers, covers_content, leaf_schemes
from bridge.providers.signatures.scheme import Scheme
from bridge.providers.signatures.shared_token import BasicAuth, SharedToken, Unsigned
from bridge.providers.signatures.timestamps import Timestamp
from bridge.services.samples.replay import provider_ids

MESSAGE = {
    "MessageSid": "SM0123456789",
    "SmsSid": "SM0123456789",
    "Body": "pay the bill",
    "From": "+420601123456",
    "To": "+1202555",
    "SmsStatus": "received",
    "AccountSid": "AC1",
}
CALL = {"AccountSid": "AC1", "CallSid": "CA1", "CallStatus": "ringing", "From": "+420601123456"}


def twilio(fields: dict[str, str] | list[tuple[str, str]]) -> Request:
    """A message as Twilio signs it; what is made of it keeps the signature."""
    return sender("twilio").sign(form(urlencode(fields).encode(), "twilio"))


def cut_differently(pairs: list[tuple[str, str]]) -> Iterator[bytes]:
    """Return forms with the same text as this one, whose names end elsewhere."""
    for place, (name, value) in enumerate(pairs):
        text = name + value
        others = pairs[:place], pairs[place + 1 :]
        for cut in range(1, len(text)):
            if cut != len(name):
                yield urlencode([*others[0], (text[:cut], text[cut:]), *others[1]]).encode()
        if others[1]:
            merged = value + "".join(others[1][0])
            yield urlencode([*others[0], (name, merged), *others[1][1:]]).encode()


def form(body: bytes, name: str) -> Request:
    return post(body, {"content-type": URLENCODED}, url=f"https://example.com/hooks/{name}")


def known_as(name: str, request: Request, now: float = NOW) -> list[str | None]:
    return [event.provider_id for event in sender(name).receive(request, now)[1]]


class TestTwilio:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"", b"&MessageSid=SM0123456789"),  # after the body
            (b"", b"&MessageSid=SM0123456789&MessageSid=SM0123456789"),
            (b"", b"&Message%53id=SM0123456789"),
            (b"&SmsSid=SM", b"&SmsSidSM"),
            (b"&SmsSid=", b"&SmsSid%3D="),
            (b"&Body=pay+", b"&Bodypay+="),
            (b"&From=%2B", b"&From%2B="),
            (b"&SmsSid=SM0123456789", b"&SmsSid=SM0123456789&"),
            (b"&SmsSid=SM0123456789", b"&&SmsSid=SM0123456789"),
        ],
    )
    def test_a_form_that_could_be_read_in_another_way_is_refused(
        self, old: bytes, new: bytes
    ) -> None:
        good = twilio(MESSAGE)
        assert old in good.body
        changed = replace(good, body=good.body.replace(old, new) if old else good.body + new)
        assert changed.body != good.body
        with pytest.raises(BadSignature, match="malformed"):
            sender("twilio").receive(changed)

    def test_a_form_that_is_cut_in_other_places_is_the_same_event(self) -> None:
        good = twilio(MESSAGE)
        known = known_as("twilio", good)
        accepted = []
        for body in cut_differently(sorted(MESSAGE.items())):
            with suppress(BadSignature):
                accepted.append(known_as("twilio", replace(good, body=body)))
        assert len(accepted) > 35
        assert [ids for ids in accepted if ids != known] == []

    def test_an_id_that_a_cut_makes_is_not_used(self) -> None:
        message = MESSAGE | {"Body": "paid, order 7"}
        good = twilio(message)
        known = known_as("twilio", good)
        text = "".join(name + value for name, value in sorted(message.items()))
        pairs = [("AccountSid", "AC1"), ("Body", "pa"), ("id", text.partition("Bodypaid")[2])]
        assert known_as("twilio", replace(good, body=urlencode(pairs).encode())) == known

    @pytest.mark.parametrize(
        "fields",
        [
            [
                ("ConversationSid", "CH1"),
                ("MessagingBinding.Address", "+18550000000"),
                ("MessagingBinding.Address", "+18330000000"),
            ],
            [("CallSid", "CA1"), ("SipHeader_X-Order", "7"), ("SipHeader_User-to-User", "ab")],
            [
                ("MessageSid", "MM1"),
                ("NumMedia", "2"),
                ("MediaUrl0", "https://a/0"),
                ("MediaUrl1", "https://a/0"),
                ("Body", ""),
            ],
            [("Memory", '{"a": "b&c=d"}'), ("a", "=")],
        ],
    )
    def test_what_twilio_does_send_gets_in(self, fields: list[tuple[str, str]]) -> None:
        request = twilio(fields)
        text = f"{request.url}{''.join(name + value for name, value in sorted(fields))}"
        signature = base64.b64encode(
            hmac.new(sender("twilio").secret.encode(), text.encode(), "sha1").digest()
        ).decode()
        assert request.headers["x-twilio-signature"] == signature, "as its documentation has it"
        (event,) = sender("twilio").receive(request)[1]
        assert event.problem is None

    def test_a_call_is_one_event_however_it_is_written(self) -> None:
        good = twilio(CALL)
        (known,) = known_as("twilio", good)
        assert known is not None and known.startswith("sha256:")
        for body in (
            urlencode(list(reversed(CALL.items()))).encode(),
            good.body.replace(b"CA1", b"%43A1"),
            good.body.replace(b"Call%53id", b"CallSid"),
        ):
            assert known_as("twilio", replace(good, body=body)) == [known]
        told = replace(good, headers={**good.headers, "i-twilio-idempotency-token": "another"})
        assert known_as("twilio", told) == [known], "this header is not signed"
        moved = replace(good, body=good.body.replace(b"CallSid=CA1", b"CallSidC=A1"))
        assert known_as("twilio", moved) == [known], (
            "letters are moved, and it is still the same event"
        )
        assert known_as("twilio", twilio(CALL | {"CallStatus": "in-progress"})) != [known]

    def test_the_hash_of_a_body_counts_for_every_content_type(self) -> None:
        one = sender("twilio")
        good = one.sign(
            post(
                b'{"id":"EV1","pay":1}',
                {"content-type": "application/json"},
                url="https://example.com/hooks/twilio",
            )
        )
        assert known_as("twilio", good) == ["EV1"] and "bodySHA256=" in good.url
        for body in (b"", b"a=b", good.body):
            with pytest.raises(BadSignature):
                one.verify(
                    replace(good, headers={**good.headers, "content-type": URLENCODED}, body=body)
                )
        with pytest.raises(BadSignature):
            one.verify(replace(good, query_string="", url=good.url.partition("?")[0]))


class TestMandrill:
    EVENTS = json.dumps(
        [{"event": "send", "_id": "m1", "ts": 1}, {"event": "open", "_id": "m1", "ts": 2}]
    )

    def good(self) -> Request:
        return sender("mandrill").sign(
            form(urlencode({"mandrill_events": self.EVENTS}).encode(), "mandrill")
        )

    def test_its_one_field_comes_once(self) -> None:
        good = self.good()
        assert known_as("mandrill", good) == ["send:m1:1", "open:m1:2"]
        for body in (
            good.body + b"&" + good.body,
            good.body.replace(b"=", b"", 1),
            good.body.replace(b"events=%5B", b"events%5B=", 1),
            good.body.replace(b"mandrill_events=", b"mandrill_event=s", 1),
            good.body + b"&",
            b"",
        ):
            with pytest.raises(BadSignature, match="malformed"):
                sender("mandrill").verify(replace(good, body=body))

    def test_a_body_of_another_type_is_not_signed(self) -> None:
        """The signature of the URL alone would be that of any body which is no form."""
        one = sender("mandrill")
        bare = "https://example.com/hooks/mandrill"
        signature = base64.b64encode(
            hmac.new(one.secret.encode(), bare.encode(), "sha1").digest()
        ).decode()
        headers = {"x-mandrill-signature": signature, "content-type": "application/json"}
        for body in (b"", b"[]", b'[{"event":"send","_id":"1","ts":1}]'):
            with pytest.raises(BadSignature):
                one.verify(post(body, headers, url=bare))
            with pytest.raises(BadSignature):
                plain = Hmac(
                    at="header:X-Mandrill-Signature",
                    algorithm="sha1",
                    encoding="base64",
                    signed="{url}{form_sorted}",
                )
                replace(one, scheme=plain).verify(post(body, headers, url=bare))


def custom(scheme: Scheme) -> Sender:
    return replace(sender("stripe"), scheme=scheme, secret=KEY, private=KEY)


LATER = NOW + 120.0
TIMED = {
    "in the template": Hmac(
        at="header:X-Sig", signed="{timestamp}{q:a}", timestamp=Timestamp("header:X-Time")
    ),
    "by its header": Hmac(
        at="header:X-Sig", signed="{h:X-Time}{path}", timestamp=Timestamp("header:X-Time")
    ),
    "in the URL": Hmac(at="header:X-Sig", signed="{url}", timestamp=Timestamp("query:t")),
    "beside the body": Hmac(
        at="header:X-Sig", signed="{timestamp}.{body}", timestamp=Timestamp("header:X-Time")
    ),
    "before the digest": Hmac(
        at="header:X-Sig", signed="{timestamp}.{body_sha256}", timestamp=Timestamp("header:X-Time")
    ),
}


@pytest.mark.parametrize("scheme", TIMED.values(), ids=TIMED)
def test_the_time_does_not_identify_an_event(scheme: Scheme) -> None:
    """A sender's next try is signed anew, at another time."""
    one = custom(scheme)
    bare = post(b'{"n":1}', url="https://example.com/hooks/a?a=1", query_string="a=1")
    first, again = (one.receive(one.sign(bare, now), now)[1][0].provider_id for now in (NOW, LATER))
    assert first is not None and first == again
    other = replace(
        post(b'{"n":2}', url="https://example.com/hooks/a?a=2", query_string="a=2"), path="/hooks/b"
    )
    assert one.receive(one.sign(other, NOW), NOW)[1][0].provider_id != first


def test_what_is_not_signed_makes_no_other_event_of_it() -> None:
    one = sender("braintree")
    good = one.signed()
    (known,) = known_as("braintree", good)
    assert known is not None and known.startswith("sha256:")
    assert known_as("braintree", replace(good, body=good.body + b"&x=1")) == [known]


def test_each_item_of_adyen_is_identified_by_its_own_signed_fields() -> None:
    one = sender("adyen")
    document = json.loads(one.request().body)
    (item,) = document["notificationItems"]
    del item["NotificationRequestItem"]["pspReference"]
    second = json.loads(json.dumps(item))
    second["NotificationRequestItem"]["merchantReference"] = "another"
    document["notificationItems"] = [item, second]
    good = one.sign(replace(one.request(), body=json.dumps(document).encode()))
    known = known_as("adyen", good)
    assert len(set(known)) == 2 and all(
        each is not None and each.startswith("sha256:") for each in known
    )
    document["notificationItems"] = [item]
    alone = one.sign(replace(one.request(), body=json.dumps(document).encode()))
    assert known_as("adyen", alone) == known[:1]
    changed = json.loads(good.body)
    changed["notificationItems"][0]["NotificationRequestItem"]["reason"] = "not signed"
    assert known_as("adyen", replace(good, body=json.dumps(changed).encode())) == known


@pytest.mark.parametrize("moved", [-9, -1, 1, 3])
def test_digits_cannot_be_moved_between_the_time_and_the_token_of_mailgun(moved: int) -> None:
    """It signs the two without a separator, and the token is the id."""
    one = sender("mailgun")
    event = {"signature": {"timestamp": "", "token": "123ab", "signature": ""}, "event-data": {}}
    good = one.sign(post(json.dumps(event).encode()))
    assert len(known_as("mailgun", good)) == 1
    document = json.loads(good.body)
    signature = document["signature"]
    joined = signature["timestamp"] + signature["token"]
    split = len(signature["timestamp"]) + moved
    signature |= {"timestamp": joined[:split], "token": joined[split:]}
    with pytest.raises(BadSignature, match="malformed"):
        one.receive(replace(good, body=json.dumps(document).encode()))


@pytest.mark.parametrize(
    ("name", "time", "signature", "plain", "separator"),
    [
        (
            "grafana",
            "x-grafana-alerting-timestamp",
            "x-grafana-alerting-signature",
            "x-grafana-alerting-signature",
            ":",
        ),
        ("qonto", None, "x-qonto-signature", "qonto-sha256-signature", "."),
    ],
)
def test_a_signed_time_cannot_become_the_start_of_the_body(
    name: str, time: str | None, signature: str, plain: str, separator: str
) -> None:
    """A signature with a time would be one of a body without a time, for ever."""
    one = sender(name)
    good = one.sign(one.request())
    headers = dict(good.headers)
    signed = headers.pop(signature)
    at = headers.pop(time) if time else str(int(NOW))
    headers[plain] = signed.rpartition("=")[2]
    body = f"{at}{separator}".encode() + good.body
    with pytest.raises(BadSignature):
        one.receive(replace(good, headers=headers, body=body), NOW + 100_000)


SIGNED = [
    row for row in PROVIDERS.values() if row.scheme is not None and (row.event_id or row.dedup_body)
]
# they sign fields, which this body does not have
BY_PARTS = {"adyen", "aws_sns", "braintree", "mailgun", "mandrill", "twilio"}


@for_each("row", SIGNED, ids=lambda row: row.name)
def test_a_signed_request_without_an_id_is_the_same_event_each_time(row: Provider) -> None:
    one = sender(row.name)
    bare = replace(one.request(), body=b'{"odd":"' + row.name.encode() + b'"}')
    if row.name in BY_PARTS:
        with pytest.raises((BadSignature, KeyError, TypeError)):
            one.receive(one.sign(bare))
        return
    received = [one.receive(one.sign(bare, now), now)[1] for now in (NOW, NOW + 2)]
    first, again = [[event.provider_id for event in events] for events in received]
    assert first == again and first
    signed = any(covers_content(leaf) for leaf in leaf_schemes(one.scheme))
    assert (None not in first) is (signed or row.dedup_body), (
        "where nothing is signed, nothing tells a copy"
    )


@pytest.mark.parametrize(
    ("name", "at", "is_signed"),
    [
        ("github", "body:action", True),
        ("github", "header:X-GitHub-Delivery", False),
        ("gitlab", "header:webhook-id", True),
        ("clerk", "header:svix-id", True),
        ("twitch", "header:Twitch-Eventsub-Message-Id", True),
        ("twitch", "header:Twitch-Eventsub-Message-Type", False),
        ("twilio", "form:Body", True),
        ("twilio", "query:a", True),
        ("twilio", "header:I-Twilio-Idempotency-Token", False),
        ("mandrill", "body:event", True),
        ("paypal", "body:id", False),
        ("paypal", "header:PAYPAL-TRANSMISSION-ID", True),
        ("adyen", "body:NotificationRequestItem.pspReference", True),
        ("adyen", "body:NotificationRequestItem.reason", False),
        ("aws_sns", "body:MessageId", True),
        ("aws_sns", "body:MessageAttributes", False),
        ("mailgun", "body:signature.token", True),
        ("mailgun", "body:event-data.id", False),
        ("braintree", "form:bt_payload", True),
        ("braintree", "form:x", False),
        ("contentful", "header:X-Contentful-Timestamp", True),
        ("contentful", "header:X-Contentful-Topic", False),
        ("plaid", "body:webhook_type", True),
        ("monday", "body:event.type", False),
        ("okta", "body:uuid", False),
        ("slack", "header:X-Slack-Request-Timestamp", True),
    ],
)
def test_what_is_signed_is_known_of_each_place(name: str, at: str, is_signed: bool) -> None:
    """docs/security.md has the ids and types that are not."""
    scheme = PROVIDERS[name].scheme
    assert scheme is not None and covers(scheme, compile_locator(at)) is is_signed


def test_without_a_signature_nothing_tells_a_copy() -> None:
    for scheme in (SharedToken(at="header:X-Token"), BasicAuth(), Unsigned()):
        one = replace(custom(scheme), secret="user:pass", private="user:pass")
        (event,) = one.receive(one.sign(post(b'{"n":1}')))[1]
        assert event.provider_id is None


def test_what_is_signed_is_not_to_be_guessed_where_bodies_are_sealed() -> None:
    good = twilio(CALL)
    plain = known_as("twilio", good)
    sealed = [event.provider_id for event in sender("twilio").receive(good, digest_key="a key")[1]]
    assert str(sealed[0]).startswith("hmac:") and sealed != plain
    assert hashlib.sha256(good.body).hexdigest() not in str(sealed)


def test_a_time_without_a_limit_is_a_time() -> None:
    """`{timestamp}{body}`: else the beginning of the body could stand in the time."""
    one = sender("zendesk")
    good = one.sign(replace(one.request(), body=b"7 is the ticket"))
    one.verify(good)
    at = "x-zendesk-webhook-signature-timestamp"
    with pytest.raises(BadSignature, match="malformed"):
        one.verify(
            replace(
                good, headers={**good.headers, at: good.headers[at] + "7 is the"}, body=b" ticket"
            )
        )


def test_the_command_finds_the_ids_of_twilio_s_events() -> None:
    from bridge.services.samples.forgeries import Signer

    one = sender("twilio")
    signer = Signer(source="twilio", provider=one.row, scheme=one.scheme, secret=one.secret)
    assert None not in provider_ids(signer, one.request("ringing"))


ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  twilio: {provider: twilio, secret: "${env:TW}"}
routes:
  - {name: tw, on: twilio, inputs: {b: "${form.Body}"}, flow: local/echo}
"""


@pytest.mark.usefixtures("new_processes")
def test_a_captured_message_gets_in_once(tmp_path: Path) -> None:
    secret = "twilio0123456789abcdef"
    environ = {"TW": secret, "FLOWBRIDGE_PUBLIC_URL": "https://hooks.example.com"}
    scheme = sender("twilio").scheme
    with Bridge(tmp_path, "web", routes=ROUTES, environ=environ) as bridge:
        for fields in (MESSAGE, CALL):
            bare = post(
                urlencode(fields).encode(),
                {"content-type": URLENCODED},
                url="https://hooks.example.com/hooks/twilio",
            )
            good = scheme.sign(bare, secret, NOW)
            before = bridge.count()
            assert [
                bridge.post("/hooks/twilio", good.body, good.headers).status for _ in range(2)
            ] == [200, 200]
            assert bridge.count() == before + 1
            repeats = [
                good.body + b"&" + urlencode([next(iter(fields.items()))]).encode() * times
                for times in (1, 2, 3)
            ]
            boundaries = [
                good.body.replace(b"From=%2B", b"From%2B="),
                good.body.replace(b"AccountSid=", b"AccountSid"),
            ]
            for body in (*repeats, *boundaries):
                assert bridge.post("/hooks/twilio", body, good.headers).status == 401
            told = {**good.headers, "I-Twilio-Idempotency-Token": "x"}
            assert bridge.post("/hooks/twilio", good.body, told).status == 200
            assert bridge.count() == before + 1
        assert bridge.count("reject", "source = 'twilio' AND reason = 'malformed'") >= 5
