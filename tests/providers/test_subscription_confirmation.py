"""Amazon SNS: only a subscription to a pinned topic is confirmed, at one URL, within a rate limit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, time
from typing import Any
from urllib.parse import urlencode

import pytest
from authorities import certificate
from kinds import RSA_PRIVATE, RSA_PUBLIC
from receiving import hooks_of
from servers import Misbehaving, drip_body, drop, huge, redirect, respond, slow_headers
from werkzeug.test import Client, TestResponse

from bridge.config.loader import load
from bridge.config.settings import Settings, load_settings
from bridge.core.http_messages import Request
from bridge.core.model import Delivery, Event
from bridge.ingest.receive import replan
from bridge.ingest.rejects import build_reject, prepare_readmission
from bridge.providers.catalog.cloud import SNS
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.certificates import SigningCertificate
from bridge.providers.signatures.key_source import DocumentRequest
from bridge.providers.signatures.rsa import Rsa
from bridge.providers.signatures.scheme import Secret
from bridge.providers.signatures.shared_token import Unsigned
from bridge.routing.model import Config, Source
from bridge.services.samples.secrets import new_secret
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import replay
from bridge.store.queries import events as event_queries
from bridge.system.key_fetcher import Keyring
from bridge.web.receiving import dry_run

TOPIC = "arn:aws:sns:eu-central-1:123456789012:garden"
TOKEN = "2336412f37fb687f5d51e6e2425f004a"
LOCALHOST = r"https://localhost:\d{1,5}/"
SOMEBODYS = new_secret(Rsa(at="header:X-Sig")).signs
DONE = respond(
    200, b'<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"/>'
)
KEY = "k" * 40
ROUTES = f"""
version: 1
platforms: {{local: {{type: local}}}}
sources: {{alarms: {{provider: aws_sns, pins: {{topic_arn: "{TOPIC}"}}}}}}
routes: [{{name: all, on: alarms, inputs: {{text: "${{body.Message}}"}}, flow: local/echo}}]
"""


@dataclass
class Bench:
    """A receiver of one source, whose sender's hosts are a loopback server; everything else is as
    it is in the row.
    """

    server: Misbehaving
    database: Database
    keyring: Keyring
    config: Config
    settings: Settings

    @property
    def source(self) -> Source:
        return self.config.sources["alarms"]

    @property
    def host(self) -> str:
        return self.server.url.replace("127.0.0.1", "localhost")

    def change(self, **changes: Any) -> None:
        self.config = replace(self.config, sources={"alarms": replace(self.source, **changes)})

    def message(
        self, *, private: str = RSA_PRIVATE, kind: str = "SubscriptionConfirmation", **changes: Any
    ) -> Request:
        """A message as SNS would sign it; a change to None leaves something out."""
        query = f"Action=ConfirmSubscription&TopicArn={TOPIC}&Token={TOKEN}"
        said = {
            "Type": kind,
            "MessageId": f"m-{time()}",
            "TopicArn": TOPIC,
            "Message": "You have chosen to subscribe",
            "Timestamp": "2025-01-01T00:00:00.000Z",
            "Token": TOKEN,
            "SubscribeURL": f"{self.host}/?{query}",
            "SigningCertURL": f"{self.host}/SimpleNotificationService-1.pem",
            **changes,
        }
        body = json.dumps(
            {name: value for name, value in said.items() if value is not None}
        ).encode()
        sent = Request(
            method="POST",
            path="/hooks/alarms",
            headers={"content-type": "text/plain; charset=UTF-8"},
            body=body,
        )
        scheme: Any = PROVIDERS["aws_sns"].scheme
        return replace(scheme, pinned=(("topic_arn", (said["TopicArn"],)),)).sign(
            sent, private, time()
        )

    def send(self, request: Request, **headers: str) -> TestResponse:
        def keep(arrivals: Any, again: Any) -> Any:
            return events.add_all(self.database, arrivals, again)

        hooks = hooks_of(self.settings, lambda: self.config, keep, keys=self.keyring)
        given = {
            **request.headers,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return Client(hooks).post("/hooks/alarms", data=request.body, headers=given)

    @property
    def asked(self) -> list[tuple[str, str]]:
        """What was fetched to confirm: (method, query)."""
        return [(one.method, one.query) for one in self.server.received if "pem" not in one.path]

    def kept(self) -> list[tuple[Event, list[Delivery]]]:
        return list(event_queries.list_events(self.database, event_queries.Filters()))


@pytest.fixture
def bench(
    tls_server: Misbehaving, sqlite: Database, ca_file: str, tmp_path: Path
) -> Iterator[Bench]:
    path = tmp_path / "routes.yaml"
    path.write_text(ROUTES)
    made = Bench(
        tls_server,
        sqlite,
        Keyring(ca_file=ca_file, deadline=60),
        load(path, {}),
        load_settings({"FLOWBRIDGE_SECRET_KEY": KEY, "FLOWBRIDGE_DATA": str(tmp_path)}),
    )
    scheme: Any = made.source.scheme
    row = made.source.provider
    at = SigningCertificate(
        at="body:SigningCertURL", url=LOCALHOST + r"SimpleNotificationService-\w+\.pem"
    )
    assert row.confirmation is not None
    made.change(
        scheme=replace(scheme, certificate=at),
        provider=replace(row, confirmation=replace(row.confirmation, url=LOCALHOST)),
    )
    now = time()
    tls_server.script(
        "/SimpleNotificationService-1.pem",
        respond(200, certificate("sns.amazonaws.com", begins=now - 9999, ends=now + 9999)),
    )
    tls_server.script("/", DONE)
    yield made
    made.keyring.close()


def is_kept(bench: Bench, answer: TestResponse, why: str) -> None:
    """It is an event with a reason, which starts nothing, now or ever."""
    assert answer.status_code == 202 and answer.json is not None and answer.json["deliveries"] == 0
    ((event, deliveries),) = bench.kept()
    problem = event.problem or ""
    assert event.type == "SubscriptionConfirmation" and deliveries == []
    assert problem.startswith("the subscription is not confirmed: ") and why in problem
    assert "open the URL at body:SubscribeURL" in problem
    assert replan(events.get(bench.database, event.id), bench.config, time(), "again") == []
    doing = replay.ReplayHandler(config_of=lambda _: bench.config, nonce="again")
    planned = doing.prepare(bench.database, [event.id], time())
    (replayed,) = bench.database.write(
        lambda connection: doing.carry_out(connection, planned, time())
    )
    assert (replayed.problem, replayed.deliveries) == (problem, [])
    assert events.get(bench.database, event.id).problem == problem


def test_a_subscription_is_confirmed_and_leaves_no_event(bench: Bench) -> None:
    answer = bench.send(bench.message())
    assert (answer.status_code, answer.data, answer.content_type) == (200, b"", "text/plain")
    assert bench.asked == [("GET", f"Action=ConfirmSubscription&TopicArn={TOPIC}&Token={TOKEN}")]
    (asked,) = [one for one in bench.server.received if one.path == "/"]
    assert not {"cookie", "authorization"} & set(asked.headers) and asked.body == b""
    assert bench.kept() == []


def test_what_comes_again_is_confirmed_and_fetches_nothing(bench: Bench) -> None:
    assert [bench.send(bench.message()).status_code for _ in range(3)] == [200] * 3
    assert len(bench.asked) == 1


def test_a_query_may_be_written_in_another_way(bench: Bench) -> None:
    url = f"{bench.host}/?Token={TOKEN}&" + urlencode(
        {"Action": "ConfirmSubscription", "TopicArn": TOPIC}
    )
    assert bench.send(bench.message(SubscribeURL=url)).status_code == 200
    assert len(bench.asked) == 1


def test_a_topic_that_is_not_pinned_is_refused_and_fetches_nothing(bench: Bench) -> None:
    other = TOPIC.replace("garden", "weeds")
    url = f"{bench.host}/?Action=ConfirmSubscription&TopicArn={other}&Token={TOKEN}"
    assert bench.send(bench.message(TopicArn=other, SubscribeURL=url)).status_code == 401
    assert bench.asked == [] and bench.kept() == []


def test_what_is_not_signed_by_the_sender_fetches_nothing(bench: Bench) -> None:
    good = bench.message()
    changed = json.loads(good.body) | {"Token": "another"}
    for forged in (
        bench.message(private=SOMEBODYS),
        replace(good, body=json.dumps(changed).encode()),
        replace(good, body=b"{}"),
    ):
        assert bench.send(forged).status_code == 401
    assert bench.asked == [] and bench.kept() == []


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/?{q}",
        "https://169.254.169.254/?{q}",
        "https://localhost@evil.example/?{q}",
        "https://evil.example/?{q}",
        "{h}.evil.example/?{q}",
        "{h}/other?{q}",
        "{h}//?{q}",
        "{h}/?{q}&x=1",
        "{h}/?{q}&Token=other",
        "{h}/?{q}#fragment",
        "{h}/?Action=Unsubscribe&TopicArn={t}&Token={k}",
        "{h}/?Action=ConfirmSubscription&TopicArn={t}",
        "{h}/?Action=ConfirmSubscription&TopicArn={t}x&Token={k}",
        "{h}/?Action=ConfirmSubscription&TopicArn={t}&Token=other",
        "{h}/?Action=ConfirmSubscription&TopicArn={t}&Token={k}\r",
        "{h}/?Action=ConfirmSubscription&TopicArn={t}&Token={k}\u00e4",
        "{h}/?",
        "{h}/",
        "",
        "{h}/?{q}&" + "x" * 3000,
        None,
    ],
)
def test_an_unexpected_url_is_not_fetched(bench: Bench, url: str | None) -> None:
    query = f"Action=ConfirmSubscription&TopicArn={TOPIC}&Token={TOKEN}"
    given = url and url.format(h=bench.host, q=query, t=TOPIC, k=TOKEN)
    is_kept(
        bench,
        bench.send(bench.message(SubscribeURL=given)),
        "its URL does not look like one of the sender",
    )
    assert bench.asked == [] and bench.server.connections == 1, "that of the certificate"


def test_without_a_token_nothing_is_fetched(bench: Bench) -> None:
    url = f"{bench.host}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token="
    is_kept(
        bench,
        bench.send(bench.message(Token=None, SubscribeURL=url)),
        "its URL does not look like one of the sender",
    )
    assert bench.asked == []


ANSWERS = {
    "403": respond(403, b"<ErrorResponse><Code>AuthorizationError</Code></ErrorResponse>"),
    "another 200": respond(200, b"<html>Welcome</html>"),
    "empty": respond(200),
    "redirect": redirect("/elsewhere"),
    "drop": drop,
    "huge": huge(10_000_000),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_unconfirmed_subscription_is_stored_with_the_reason(bench: Bench, name: str) -> None:
    bench.server.script("/", ANSWERS[name], DONE)
    is_kept(
        bench,
        bench.send(bench.message(MessageId="the same")),
        "could not be fetched, or the answer did not confirm",
    )
    assert bench.send(bench.message(MessageId="the same")).status_code == 202, (
        "once a minute, and still nothing is started"
    )
    assert len(bench.asked) == 1 and "/elsewhere" not in [one.path for one in bench.server.received]
    assert len(bench.kept()) == 1


@pytest.mark.parametrize(
    "reply", [slow_headers(3600), drip_body(200, 0.05, 10**5)], ids=["silent", "dripping"]
)
def test_the_sender_waits_a_bounded_time(bench: Bench, reply: Any) -> None:
    """The certificate that the message is verified with is there already, however long it took."""
    scheme: Any = bench.source.scheme
    assert bench.keyring.fetch(
        DocumentRequest(f"{bench.host}/SimpleNotificationService-1.pem", scheme.certificate.url)
    )
    bench.keyring._deadline = 0.5
    bench.server.script("/", reply)
    began = monotonic()
    is_kept(bench, bench.send(bench.message()), "could not be fetched")
    assert monotonic() - began < 600, "this one would wait an hour"


def test_a_host_with_another_certificate_is_not_asked(bench: Bench) -> None:
    scheme: Any = PROVIDERS["aws_sns"].scheme
    bench.keyring.close()
    bench.keyring = Keyring()  # trusts what browsers do
    bench.change(
        scheme=replace(scheme, certificate=None, pinned=(("topic_arn", (TOPIC,)),)),
        secrets=(Secret(RSA_PUBLIC),),
    )
    source = bench.source
    ask = source.provider.confirmation and source.provider.confirmation.build_request(
        bench.message(), {TOPIC}
    )
    assert ask and bench.keyring.fetch(ask) is None
    assert bench.server.received == []


def test_a_source_with_a_certificate_of_its_own_fetches_nothing(bench: Bench) -> None:
    bench.change(secrets=(Secret(RSA_PUBLIC),))
    is_kept(
        bench,
        bench.send(bench.message()),
        "no URL is fetched for a source that has the sender's certificate",
    )
    assert bench.server.received == []


def test_an_insecure_source_confirms_nothing(bench: Bench) -> None:
    bench.change(scheme=Unsigned(), insecure=True)
    is_kept(
        bench,
        bench.send(bench.message(private=SOMEBODYS)),
        "it is for a topic that the source does not pin",
    )
    assert bench.server.received == []


def test_a_dry_request_and_a_readmitted_reject_confirm_nothing(bench: Bench) -> None:
    token = dry_run.sign_token(KEY, "alarms")
    answer = bench.send(bench.message(), X_Flowbridge_Dry=token)
    assert (answer.status_code, answer.headers[dry_run.HEADER]) == (202, dry_run.DONE)
    reject = build_reject(bench.message(), bench.source, "no_key", time(), "rej_1")
    prepared = prepare_readmission(
        reject, bench.config, new_id=lambda _: "evt_1", keys=bench.keyring
    )
    assert prepared is not None
    assert "a readmitted reject" in (prepared.arrivals[0][0].problem or "")
    assert bench.asked == []


@pytest.mark.parametrize(
    "kind", ["Notification", "UnsubscribeConfirmation", "subscriptionconfirmation"]
)
def test_other_messages_are_events_and_fetch_nothing(bench: Bench, kind: str) -> None:
    answer = bench.send(bench.message(kind=kind))
    ((event, deliveries),) = bench.kept()
    assert answer.json == {"event_id": event.id, "deliveries": 1} and len(deliveries) == 1
    assert bench.asked == [] and event.problem is None


def test_a_message_that_reads_otherwise_as_a_form_asks_for_nothing(bench: Bench) -> None:
    """What is published to a topic is anyone's text, and the content type is not signed."""
    fields = {
        "Type": "SubscriptionConfirmation",
        "TopicArn": TOPIC,
        "Token": TOKEN,
        "SubscribeURL": f"{bench.host}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token={TOKEN}",
    }
    sent = bench.message(
        kind="Notification", Message=f"&{urlencode(fields)}&", Token=None, SubscribeURL=None
    )
    form = replace(sent, headers={"content-type": "application/x-www-form-urlencoded"})
    assert bench.send(form).status_code == 202
    assert bench.asked == []


@pytest.mark.parametrize(
    ("region", "fits"),
    [
        ("sns.us-west-2.amazonaws.com", True),
        ("sns.us-gov-west-1.amazonaws.com", True),
        ("sns.cn-north-1.amazonaws.com.cn", True),
        ("sns.us-west-2.amazonaws.com.evil.example", False),
        ("sns.us-west-2.amazonaws.com:8443", False),
        ("evil.sns.us-west-2.amazonaws.com", False),
        ("sns.us-west-2.amazonaws.com@evil.example", False),
        ("s3.us-west-2.amazonaws.com", False),
        ("snsXus-west-2.amazonaws.com", False),
    ],
)
def test_only_the_hosts_of_sns_are_fetched_from(region: str, fits: bool) -> None:
    confirmation = PROVIDERS["aws_sns"].confirmation
    assert confirmation is not None and confirmation.url == SNS
    url = f"https://{region}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token={TOKEN}"
    body = json.dumps({"TopicArn": TOPIC, "Token": TOKEN, "SubscribeURL": url}).encode()
    ask = confirmation.build_request(
        Request(method="POST", path="/", headers={}, body=body), {TOPIC}
    )
    assert (ask is not None and ask.url == url) if fits else ask is None


def test_only_https_can_be_asked_for() -> None:
    confirmation = PROVIDERS["aws_sns"].confirmation
    assert confirmation is not None
    with pytest.raises(ValueError, match="https only"):
        replace(confirmation, url="http://localhost/")
