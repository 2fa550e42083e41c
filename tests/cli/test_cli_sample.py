"""sample: every provider's events are signed as a source of it wants, every forgery is refused, and
curl sends the same bytes.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import product
from pathlib import Path

import pytest
from click.testing import Result
from command_line import run
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from processes import call
from ruamel.yaml import YAML
from senders import PINS, chosen, covers_body, sender, tolerances
from servers import Misbehaving, redirect, respond
from serving import Bridge
from tables import for_each

from bridge.config.loader import load
from bridge.core.errors import BadSignature
from bridge.core.http_messages import Answer as Sent
from bridge.core.http_messages import Request
from bridge.providers.registry import PROVIDERS
from bridge.providers.samples.loader import sample_types
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.jwt import Jwt
from bridge.providers.signatures.pins import pins_of
from bridge.providers.signatures.scheme import Secret
from bridge.routing.model import Source
from bridge.services.bridge_calls import explain_lost
from bridge.services.samples.edits import edit_sample
from bridge.services.samples.forgeries import FORGERIES, Signer, forge
from bridge.services.samples.replay import describe_expected, judge_answers, provider_ids
from bridge.services.samples.requests import curl_command, make_sample
from bridge.services.samples.secrets import new_secret

NOW = 1_764_000_000.0
SIGNED = [name for name in PROVIDERS if name != "form"]


@lru_cache
def signer(name: str) -> Signer:
    """The provider's sender, with a secret or a pair of keys made up."""
    row = PROVIDERS[name]
    proven = sender(name).scheme
    made = new_secret(proven)
    return Signer(name, row, proven, made.signs, (Secret(made.verifies),))


@for_each("name", SIGNED)
def test_what_is_made_is_accepted(name: str) -> None:
    one = signer(name)
    assert one.scheme.secret_problem(one.verified_by[0].value) is None
    for type_ in (None, *sample_types(name)):
        request = make_sample(one, type_, f"http://127.0.0.1:8080/hooks/{name}", None, NOW)
        one.scheme.verify(request, one.verified_by, NOW)


@for_each("name, kind", product(SIGNED, FORGERIES))
def test_every_forgery_is_refused(name: str, kind: str) -> None:
    one = signer(name)
    plain = make_sample(
        replace(one, scheme=PROVIDERS["form"].scheme),
        None,
        f"http://127.0.0.1:8080/hooks/{name}",
        None,
        NOW,
    )  # type: ignore[arg-type]
    try:
        forged = forge(one, plain, kind, NOW)
    except ValueError as error:
        assert not is_proof(name, kind, plain), error
        return
    with pytest.raises(BadSignature):
        one.scheme.verify(forged, one.verified_by, NOW)


def is_proof(name: str, kind: str, plain: Request) -> bool:
    """Whether a forgery of this kind has to be made, as the tests of the rows know them."""
    one = sender(name)
    token = next((each for each in chosen(one) if isinstance(each, Jwt)), None)
    covers = bool(token.body_hash or token.wraps) if token else covers_body(one)
    # then there is neither a header to write otherwise, nor a key to put elsewhere
    is_body = bool(token and token.wraps)
    at = getattr(chosen(one)[0], "at", "header:Authorization")
    return {
        "secret": True,
        "header": True,
        "body": covers,
        "reorder": covers and not is_body and plain.body[:1] in (b"{", b"["),
        "timestamp": (
            bool(tolerances(one))
            or (token is not None and (token.expires or token.max_age is not None))
        ),
        "encoding": (
            not is_body
            and all(place.startswith("header:") for place in ((at,) if isinstance(at, str) else at))
        ),
    }[kind]


@pytest.mark.parametrize("name", ["mailgun", "sendgrid", "sanity", "zendesk", "netlify"])
def test_a_time_without_a_limit_proves_nothing(name: str) -> None:
    with pytest.raises(ValueError, match="does not sign a time with a limit"):
        forge(signer(name), sender(name).request(), "timestamp", NOW)


# -- replays


REPLAYED = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
  bodies: {provider: hmac, secret: "${env:GITHUB_SECRET}", verify: {header: X-Sig}, dedup: body}
  untold: {provider: hmac, secret: "${env:GITHUB_SECRET}", verify: {header: X-Sig}}
  figma: {provider: figma, secret: "${env:GITHUB_SECRET}"}
  contact: {provider: form}
routes: [{name: all, on: github, inputs: {a: "${body.action}"}, flow: local/echo}]
"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Bridge]:
    with Bridge(tmp_path_factory.mktemp("replay"), "web", routes=REPLAYED) as bridge:
        yield bridge


def replayed(web: Bridge, name: str) -> subprocess.CompletedProcess[str]:
    return call(
        web.folder,
        "sample",
        name,
        "--to",
        f"http://127.0.0.1:{web.port}",
        "--tamper",
        "replay",
        environ=web.environ,
    )


def test_a_replay_is_one_event_and_that_is_said(web: Bridge) -> None:
    result = replayed(web, "github")
    assert result.returncode == 0, result.stderr
    first, second = (
        json.loads(line.partition("  ")[2].rpartition("  ")[0])
        for line in result.stdout.splitlines()
    )
    assert second == {"event_id": first["event_id"], "duplicate": True}
    assert "The second is a duplicate: 200" in result.stderr and result.stderr.endswith(
        "Both are one event.\n"
    )
    known_by_body = replayed(web, "bodies")
    assert known_by_body.returncode == 0 and known_by_body.stdout.count("202  ") == 2, (
        "nothing was started, so it is planned again"
    )
    assert web.found(first["event_id"]).event.duplicates == 1


def test_an_answer_that_does_not_tell_is_no_proof_and_that_is_said(web: Bridge) -> None:
    result = replayed(web, "figma")
    assert result.returncode == 0 and "Figma gets the same answer both times" in result.stderr
    assert "The answers have no event id" in result.stderr


@pytest.mark.parametrize("name", ["untold", "contact"])
def test_what_nothing_tells_apart_is_not_sent_twice(web: Bridge, name: str) -> None:
    before = web.count("event")
    result = replayed(web, name)
    assert (result.returncode, result.stdout) == (
        2,
        "",
    ) and "has no id that distinguishes a copy" in result.stderr
    assert web.count("event") == before


def answered(status: int, **said: object) -> Sent:
    return Sent(status=status, body=json.dumps(said).encode())


@pytest.mark.parametrize(
    ("first", "second", "is_fine"),
    [
        (answered(202, event_id="e1"), answered(200, event_id="e1", duplicate=True), True),
        (answered(202, event_id="e1"), answered(202, event_id="e1"), True),
        (answered(202, event_id="e1"), answered(202, event_id="e2"), False),
        (answered(202, event_id="e1"), answered(401), True),
        (answered(202, event_id="e1"), answered(503), False),
        (answered(202, event_id="e1"), answered(429), False),
        (answered(401), answered(401), False),
        (
            answered(202, event_id="1", events=[{"event_id": "1"}, {"event_id": "2"}]),
            answered(202, event_id="1", deliveries=0),
            False,
        ),
        (
            answered(202, event_id="1", events=[{"event_id": "1"}]),
            answered(200, event_id="1", events=[{"event_id": "1"}]),
            True,
        ),
    ],
)
def test_what_two_answers_mean(first: Sent, second: Sent, is_fine: bool) -> None:
    assert judge_answers(first, second)[0] is is_fine


def test_a_replay_is_printed_twice(folder: Path) -> None:
    result = run("sample", "stripe", "--secret", "whsec_x", "--tamper", "replay")
    first, second = result.stdout.rstrip("\n").split("\n\n")
    assert first == second and first.startswith("curl ")
    assert (
        "The second is a duplicate" in result.stderr
        and "After 300 s a copy is refused because it is too old" in result.stderr
    )


@for_each("name", SIGNED)
def test_the_rows_say_what_a_replay_is_known_by(name: str) -> None:
    """Where a sample has an id, the same one is found again; else the row says that it has none."""
    one = signer(name)
    row = PROVIDERS[name]
    request = make_sample(one, None, f"http://127.0.0.1:8080/hooks/{name}", None, NOW)
    ids = provider_ids(one, request)
    assert ids == provider_ids(one, request) and ids
    assert None not in ids or not row.dedup_body
    if None not in ids:
        assert "The second is a duplicate" in describe_expected(one, request)


def test_a_form_cannot_be_forged(folder: Path) -> None:
    result = run("sample", "form", "--tamper", "body")
    assert result.exit_code == 2 and "not signed" in result.stderr


def test_curl_says_the_same_bytes() -> None:
    body = '{"a": "it\'s $HOME `x` \\\\ \n é"}'
    request = Request(
        method="POST",
        path="/x",
        headers={"x-a": "b 'c'"},
        body=body.encode(),
        url="http://h/x?a=b&c",
    )
    words = shlex.split(curl_command(request).replace("\\\n", ""))
    assert words == [
        "curl",
        "-sS",
        "-i",
        "http://h/x?a=b&c",
        "-H",
        "x-a: b 'c'",
        "--data-binary",
        body,
    ]


def test_a_source_of_routes_yaml_signs_with_its_secret(folder: Path) -> None:
    run("init")
    secret = (folder / ".env").read_text().partition("GITHUB_WEBHOOK_SECRET=")[2].split()[0]
    for name in ("github", "github ping"):
        result = run("sample", *name.split())
        words = shlex.split(result.stdout.replace("\\\n", ""))
        headers = dict(
            word.split(": ", 1) for word in words if ": " in word and not word.startswith("{")
        )
        request = Request(
            method="POST", path="/hooks/github", headers=headers, body=words[-1].encode()
        )
        Hmac(at="header:X-Hub-Signature-256", prefix="sha256=").verify(
            request, [Secret(secret)], NOW
        )
        assert words[3] == "http://127.0.0.1:8080/hooks/github" and result.stderr == ""
    assert "hooks/contact" in run("sample", "form").stdout  # the provider's first source


def test_without_a_source_a_secret_is_made_up_or_given(folder: Path) -> None:
    assert "generated for this sample" in run("sample", "stripe").stderr
    assert run("sample", "stripe", "--secret", "whsec_x").stderr == ""


def test_a_made_up_secret_is_one_that_check_accepts(folder: Path) -> None:
    source(folder, "stripe", "whsec_0123456789abcdef")
    made = run("sample", "stripe", "--made-up").stderr.split()[-1]
    assert made.startswith("whsec_")
    source(folder, "stripe", made)
    assert "whsec_" not in run("check").stdout


def test_a_broken_routes_yaml_is_named_instead_of_a_secret_made_up(folder: Path) -> None:
    run("init")
    text = (folder / "routes.yaml").read_text()
    (folder / "routes.yaml").write_text(text.replace("routes:", "ruotes:", 1))
    found = run("sample", "github", "--to", "http://127.0.0.1:9")
    assert (found.exit_code, found.stdout) == (2, "") and "ruotes" in found.stderr


# -- senders with a pair of keys


def sent(result: Result) -> Request:
    """The request of a printed curl command."""
    words = shlex.split(result.stdout.replace("\\\n", ""))
    headers = dict(
        words[place + 1].split(": ", 1) for place, word in enumerate(words) if word == "-H"
    )
    path, _, query = words[3].partition("/hooks/")[2].partition("?")
    return Request(
        method="POST",
        path=f"/hooks/{path}",
        query_string=query,
        headers=headers,
        body=words[-1].encode(),
        url=words[3],
    )


def source(folder: Path, name: str, secret: str) -> Source:
    """A source of routes.yaml with this secret, and pins where it needs them."""
    needed = ", ".join(
        f"{pin.name}: '{PINS[pin.name]}'" for pin in pins_of(PROVIDERS[name].scheme) if pin.required
    )
    says = (
        f"provider: {name}"
        + (f", secret: '{secret}'" if secret else "")
        + (f", pins: {{{needed}}}" if needed else "")
    )
    (folder / "routes.yaml").write_text(f"version: 1\nsources: {{{name}: {{{says}}}}}\n")
    return load(folder / "routes.yaml", {}).sources[name]


PAIRED = [
    "discord",
    "telnyx",
    "sendgrid",
    "ebay",
    "wix",
    "plaid",
    "aws_sns",
    "google_pubsub",
    "paypal",
]


@pytest.mark.parametrize("name", PAIRED)
def test_a_pair_made_up_is_said_and_works_as_said(folder: Path, name: str) -> None:
    first = run("sample", name)
    public, private = re.findall(r"(?m)^  (?:secret: )?(\S+)$", first.stderr)
    assert first.exit_code == 0 and "signed with a key pair generated" in first.stderr
    assert sender(name).scheme.secret_problem(public) is None
    receiving = source(folder, name, public)
    ours = run("sample", name, "--secret", private)
    assert ours.stderr == ""
    receiving.scheme.verify(sent(ours), receiving.secrets, time.time())
    for kind in ("body", "secret", "header"):
        forged = run("sample", name, "--secret", private, "--tamper", kind)
        if forged.exit_code == 0:
            with pytest.raises(BadSignature):
                receiving.scheme.verify(sent(forged), receiving.secrets, time.time())


def test_what_is_made_up_without_a_source_fits_what_is_said_of_it(folder: Path) -> None:
    result = run("sample", "aws_sns")
    said = YAML(typ="safe").load(
        "\n".join(
            line for line in result.stderr.splitlines() if re.match(r"  (secret|pins): ", line)
        )
    )
    # the sample's own
    assert said["pins"] == {"topic_arn": "arn:aws:sns:eu-central-1:123456789012:garden"}
    receiving = source(folder, "aws_sns", said["secret"])
    receiving.scheme.verify(sent(result), receiving.secrets, time.time())
    pinned_only = YAML(typ="safe").load(
        next(line for line in run("sample", "paypal").stderr.splitlines() if "pins:" in line)
    )
    assert pinned_only == {"pins": {"webhook_id": "made-up-webhook_id"}}


@pytest.mark.parametrize("name", PAIRED)
def test_a_source_that_only_verifies_asks_for_the_private_key(folder: Path, name: str) -> None:
    source(folder, name, sender(name).secret)
    result = run("sample", name)
    assert result.exit_code == 2 and result.stdout == ""
    assert "signs with a private key" in result.stderr and "--secret PRIVATE" in result.stderr
    other = run(
        "sample", name, "--secret", new_secret(sender(name).scheme, sender(name).secret).signs
    )
    assert other.exit_code == 0 and "does not match the secret" in other.stderr
    again = run("sample", name, "--made-up")
    assert again.exit_code == 0 and "refuses it, unless" in again.stderr
    assert run("sample", name, "--made-up", "--secret", "x").exit_code == 2


@pytest.mark.parametrize("name", ["aws_sns", "google_pubsub", "paypal"])
def test_a_source_whose_keys_are_fetched_is_signed_for_all_the_same(
    folder: Path, name: str
) -> None:
    receiving = source(folder, name, "")
    result = run("sample", name)
    assert (
        result.exit_code == 0
        and f"in place of the keys that {PROVIDERS[name].title} publishes" in result.stderr
    )
    public = next(
        line.partition("secret: ")[2] for line in result.stderr.splitlines() if "secret: " in line
    )
    # the pins are the source's
    receiving.scheme.verify(sent(result), [Secret(public)], time.time())
    with pytest.raises(BadSignature, match="no_key"):
        receiving.scheme.verify(sent(result), [], time.time())


@pytest.mark.parametrize("name", ["discord", "standard_webhooks", "svix", "sendgrid", "paypal"])
def test_a_private_key_may_be_pem_in_a_file(folder: Path, name: str) -> None:
    kinds = {
        "sendgrid": ec.generate_private_key(ec.SECP256R1()),
        "paypal": rsa.generate_private_key(65537, 2048),
    }
    key = kinds.get(name) or Ed25519PrivateKey.generate()
    (folder / "private.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    if isinstance(key, Ed25519PrivateKey):
        raw = b64encode(key.public_key().public_bytes_raw()).decode()
        public = raw if name == "discord" else f"whpk_{raw}"
    else:
        public = b64encode(
            key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ).decode()
    receiving = source(folder, name, public)
    result = run("sample", name, "--secret", "@private.pem")
    assert result.exit_code == 0 and result.stderr == ""
    receiving.scheme.verify(sent(result), receiving.secrets, time.time())
    assert (
        "--secret @nothing: the file cannot be read"
        in run("sample", name, "--secret", "@nothing").stderr
    )


def test_a_public_key_signs_nothing(folder: Path) -> None:
    result = run("sample", "sendgrid", "--secret", sender("sendgrid").secret)
    assert result.exit_code == 2 and "signing needs the private key" in result.stderr


def test_what_a_source_lacks_is_said(folder: Path) -> None:
    (folder / "routes.yaml").write_text(
        "version: 1\nsources: {github: {provider: github, secret: '${env:X}'}, asana: {provider:"
        " asana}}\n"
    )
    lack = (
        "the secret of the source 'github' cannot be read: environment variable X is not set. Set"
        " it in .env (--made-up generates one to try it), or pass --secret"
    )
    assert lack in run("sample", "github").stderr
    assert (
        "has no secret until Asana delivers it (flowbridge learn asana); pass --secret"
        in run("sample", "asana").stderr
    )
    assert run("sample", "asana", "--secret", "0" * 32).stderr == ""
    made = run("sample", "github", "--made-up")
    [secret] = re.findall(r"(?m)^  (\S+)$", made.stderr)
    assert "put it into .env as the source's secret:" in made.stderr
    PROVIDERS["github"].scheme.verify(sent(made), [Secret(secret)], NOW)  # type: ignore[union-attr]


def test_wrong_usage(folder: Path) -> None:
    near = run("sample", "githup")
    assert near.exit_code == 2 and "did you mean `github`?" in near.stderr
    absent = run("sample", "github", "star", "--secret", "x").stderr
    assert "there are issues, ping, push, pull_request, release" in " ".join(absent.split())
    assert run("sample", "github", "--to", "ftp://x").exit_code == 2
    refused = run("sample", "github", "--to", "http://127.0.0.1:9")
    assert (
        refused.exit_code == 1
        and "the connection was refused (is `flowbridge serve` running?)" in refused.stderr
    )
    assert (
        explain_lost("host: the certificate is not trusted")
        == "host: the certificate is not trusted"
    )


@pytest.mark.parametrize(
    ("status", "code"), [(401, 0), (400, 0), (403, 0), (202, 1), (404, 1), (500, 1), (503, 1)]
)
def test_only_a_refusal_shows_that_a_forgery_stays_out(
    folder: Path, status: int, code: int
) -> None:
    with Misbehaving() as server:
        server.script("/hooks/github", respond(status))
        result = run("sample", "github", "--to", server.url, "--tamper", "body")
    assert result.exit_code == code, result.stderr
    assert ("does not show" in result.stderr) is (status >= 404)


@pytest.mark.parametrize("options", [(), ("--tamper", "body")])
def test_where_the_url_leads_is_said(folder: Path, options: tuple[str, ...]) -> None:
    with Misbehaving() as server:
        server.script("/hooks/github", redirect("https://hooks.example.com/hooks/github", 308))
        result = run("sample", "github", "--to", server.url, *options)
    assert (
        result.exit_code,
        "redirects to https://hooks.example.com/hooks/github" in result.stderr,
    ) == (1, True)


# -- changed before it is signed


def signed_request(name: str, *sets: str) -> Request:
    """Make a sample by the command's own parts, with these values set."""
    return make_sample(
        signer(name),
        None,
        f"http://127.0.0.1:8080/hooks/{name}",
        None,
        NOW,
        lambda made: edit_sample(made, sets, None, print),
    )


def test_values_are_set_before_signing() -> None:
    request = signed_request(
        "stripe",
        "body.data.object.amount_paid=25000",
        "body.data.object.tags.1=new",
        'body.data.object.metadata={"a": [1]}',
        "headers.X-Extra=1",
        "body.note=not json",
    )
    signer("stripe").scheme.verify(request, signer("stripe").verified_by, NOW)
    body = json.loads(request.body)
    assert (
        body["data"]["object"]["amount_paid"],
        body["note"],
        body["data"]["object"]["metadata"],
    ) == (25000, "not json", {"a": [1]})
    assert body["data"]["object"]["tags"] == {"1": "new"} and request.headers["x-extra"] == "1"


def test_fields_of_a_form_and_items_of_a_list_are_set() -> None:
    request = signed_request("form", "form.email=new@example.com", "body.age=3", "query.ref=a b")
    assert b"email=new%40example.com" in request.body and request.body.endswith(b"&age=3")
    assert (request.query_string, request.url) == (
        "ref=a+b",
        "http://127.0.0.1:8080/hooks/form?ref=a+b",
    )
    labels = json.loads(
        signed_request("github", "body.issue.labels.0.name=bug", "body.issue.labels.3=x").body
    )
    assert labels["issue"]["labels"][0]["name"] == "bug" and labels["issue"]["labels"][3] == "x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("body.action", "is not PATH=VALUE"),
        ("body=1", "is not PATH=VALUE"),
        ("body..a=1", "is not PATH=VALUE"),
        ("event.type=x", "'event' cannot be set; a path begins with body, form, headers, query"),
        ("headers.x=[1]", "one line of text"),
        ("body.action.x=1", "below a value that is neither object nor list"),
        ("body.issue.labels.x=1", "not a valid list index"),
        ("body.issue.labels.99999=1", "not a valid list index"),
    ],
)
def test_what_cannot_be_set_is_wrong_usage(folder: Path, text: str, message: str) -> None:
    refused = run("sample", "github", "--set", text)
    assert refused.exit_code == 2 and message in refused.stderr and refused.stdout == ""


@pytest.mark.parametrize(
    ("name", "example"),
    [("github", "body.action=closed"), ("form", "form.email=ada@example.com")],
)
def test_the_example_of_a_path_fits_the_body(folder: Path, name: str, example: str) -> None:
    refused = run("sample", name, "--set", "email=x")
    assert refused.exit_code == 2
    assert f"--set 'email=x' is not PATH=VALUE, such as {example}" in refused.stderr


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "github",
            "body.isue.titel=x",
            "no body.isue.titel, so it is added; did you mean body.issue.title?",
        ),
        (
            "github",
            "body.issue.labels.0.nmae=x",
            "no body.issue.labels.0.nmae, so it is added; did you mean body.issue.labels.0.name?",
        ),
        (
            "github",
            "headers.X-GitHub-Evnt=x",
            "no headers.x-github-evnt, so it is added; did you mean headers.x-github-event?",
        ),
        ("form", "form.emial=x", "no form.emial, so it is added; did you mean form.email?"),
        ("github", "body.issue.title=x", ""),
        ("github", "body.label={}", ""),
        ("github", "headers.X-Extra=1", ""),
        ("github", "query.page=1", ""),
        ("form", "form.phone=1", ""),
    ],
)
def test_a_path_that_is_added_and_looks_misspelt_is_named(
    folder: Path, name: str, text: str, said: str
) -> None:
    made = run("sample", name, "--set", text)
    notes = [line for line in made.stderr.splitlines() if line.startswith("--set ")]
    assert made.exit_code == 0 and notes == ([f"--set {text}: there is {said}"] if said else [])


def test_a_body_of_ones_own_is_held_against_itself(folder: Path) -> None:
    made = run(
        "sample", "github", "--body", "-", "--set", "body.custmer=1", input='{"customer": 2}'
    )
    assert (
        made.exit_code == 0
        and "did you mean body.customer?" in made.stderr
        and '"custmer":1' in made.stdout
    )


def test_a_body_of_ones_own_is_sent_as_it_is(folder: Path) -> None:
    (folder / "own.json").write_bytes(b'{"action": "own",  "n": 1}\n')
    made = run("sample", "github", "--body", "own.json")
    assert made.exit_code == 0 and '{"action": "own",  "n": 1}\n' in made.stdout
    assert '"n":2' in run("sample", "github", "--body", "own.json", "--set", "body.n=2").stdout
    given = run("sample", "github", "--body", "-", input='{"from": "stdin"}')
    assert '{"from": "stdin"}' in given.stdout
    as_json = run("sample", "form", "--body", "-", input='{"name": "Ann"}')
    assert "content-type: application/json" in as_json.stdout
    refused = run("sample", "github", "--body", "nothing.json")
    assert (
        refused.exit_code == 2
        and "nothing.json: the file cannot be read: No such file" in refused.stderr
    )
    (folder / "binary").write_bytes(b"\xff\xfe")
    assert "no shell command holds it" in run("sample", "github", "--body", "binary").stderr
    assert run("sample", "github", "--body", "binary", "--set", "body.a=1").exit_code == 2


SPAM = """
version: 1
platforms: {local: {type: local}}
sources:
  open: {provider: form}
  strict: {provider: form, spam: {token: required, altcha: required, altcha_work: 1000, min_fill: 1s}}
  worded: {provider: form, spam: {block_words: [saturdays]}}
routes:
  - {name: open, on: open, flow: local/echo}
  - {name: strict, on: strict, flow: local/echo}
  - {name: worded, on: worded, flow: local/echo}
"""


@pytest.mark.usefixtures("new_processes")
def test_a_sample_passes_the_layers_of_a_form_or_says_that_it_was_spam(tmp_path: Path) -> None:
    with Bridge(tmp_path, routes=SPAM) as bridge:

        def send(name: str, *more: str) -> Result:
            return call(
                tmp_path,
                "--config",
                str(bridge.config),
                "sample",
                name,
                *more,
                environ=bridge.environ,
            )

        base = f"http://127.0.0.1:{bridge.port}"
        taken = send("strict", "--to", base)
        assert (
            taken.returncode == 0
            and "fetched and solved" in taken.stderr
            and "spam" not in taken.stderr
        )
        assert bridge.count("event", "source = 'strict' AND spam IS NULL") == 1
        assert "spam" not in send("open", "--to", base).stderr
        spam = send("worded", "--to", base)
        assert (
            spam.returncode == 0
            and "It was marked as spam (" in spam.stderr
            and "flowbridge spam release evt_" in spam.stderr
        )
        assert "--to sends both" in send("strict").stderr
        gone = send("strict", "--to", "http://127.0.0.1:1")
        assert gone.returncode == 1 and "not sent" in gone.stderr


def test_a_sample_in_a_folder_without_routes_says_that_there_are_none(folder: Path) -> None:
    made = f"there is no routes.yaml in {folder}: signed with a secret generated for this sample"
    assert made in run("sample", "github").stderr
    (folder / "routes.yaml").write_text("version: 1\n")
    assert "routes.yaml has no source for github: signed" in run("sample", "github").stderr


@pytest.mark.parametrize("options", [(), ("--secret", "x"), ("--made-up",), ("--tamper", "body")])
def test_a_folder_without_routes_has_no_bridge_to_send_to(
    folder: Path, options: tuple[str, ...]
) -> None:
    refused = run("sample", "github", "--to", *options)
    assert refused.exit_code == 2 and "generated" not in refused.stderr
    assert " ".join(refused.stderr.split()).endswith(
        f"there is no routes.yaml in {folder}, so --to needs a URL; or run this in the folder of a"
        " project, or pass --config FILE"
    )
