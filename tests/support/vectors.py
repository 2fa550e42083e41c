"""Published signature vectors, each with its source. Short facts, not code.

`valid=False`: the vector must be refused. `note`: what we changed, if its publisher did not print it
so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    id: str
    provider: str
    secret: str
    headers: Mapping[str, str]
    body: str
    source: str
    valid: bool = True
    now: float = 0.0
    private_key: str = ""
    note: str = ""
    request: Mapping[str, str] = field(default_factory=dict)  # what else of the request counts: url, query_string

ADNANH = "https://github.com/adnanh/webhook/blob/8a2d3f85cd3e0b285239ce1d3d8ec0eddaceb89a/internal/hook/hook_test.go"
CONVOY = "https://github.com/frain-dev/convoy/blob/2b60cc652e1d4babc1857280d5911817960e83e7/pkg/verifier/verifier_test.go"
STRIPE_NODE = "https://github.com/stripe/stripe-node/blob/663942164d3876f04bb26617b88f498ba785e580/test/crypto/helpers.ts"
GITHUB_DOCS = (
    "https://github.com/github/docs/blob/0c4564acdc9f8af1ae60f88e629476bbe88fc4e5/content/webhooks/using-webhooks/validatin"
    "g-webhook-deliveries.md"
)
OCTOKIT = "https://github.com/octokit/webhooks-methods.js/blob/da0cc1c471917c510e1cf6cf125ef2c7c177c82d/test/verify.test.ts"
SLACK_SDK = (
    "https://github.com/slackapi/python-slack-sdk/blob/ae87985e2c3811ead978f31ea5a1e4a7ca5c3515/tests/slack_sdk/signature/t"
    "est_signature_verifier.py"
)
STANDARD = (
    "https://github.com/standard-webhooks/standard-webhooks/blob/b2fa7b8719fb75d326b591077f5d1b385cfcdfae/libraries/javascr"
    "ipt/src/webhook.test.ts"
)
SVIX_SERVER = (
    "https://github.com/svix/svix-webhooks/blob/4fc0cfb8b426c87ef7e2b937e7d896a71d456a47/server/svix-server"
    "/src/worker.rs"
)
SVIX_PYTHON = "https://github.com/svix/svix-webhooks/blob/4fc0cfb8b426c87ef7e2b937e7d896a71d456a47/python/tests/test_webhooks.py"
STRIPE_SDK = "stripe-python 16.1.0, stripe.WebhookSignature.generate_signature_header"
COMPUTED = "computed here"

SLACK_BODY = (
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=f"
    "oobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhoo"
    "ks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.474456"
    "29121.803a0bc887a14d10d2c447fce8b6703c"
)
STRIPE_BODY = '{"id":"evt_1","type":"test.event","data":{"name":"Zoë ✓"}}'

VECTORS = (
    Vector(
        id="generic-sha1-hex", provider="generic", source=ADNANH,
        secret="secret",
        headers={"X-Signature": "sha1=b17e04cbb22afa8ffbff8796fc1894ed27badd9e"},
        body='{"a": "z"}',
    ),
    Vector(
        id="generic-sha1-hex-empty-body", provider="generic", source=ADNANH,
        secret="secret",
        headers={"X-Signature": "sha1=25af6174a0fcecc4d346680a72b7ce644b9a88e8"},
        body="",
    ),
    Vector(
        id="generic-sha256-hex", provider="generic", source=ADNANH,
        secret="secret",
        headers={"X-Signature": "sha256=f417af3a21bd70379b5796d5f013915e7029f62c580fb0f500f59a35a6f04c89"},
        body='{"a": "z"}',
    ),
    Vector(
        id="generic-sha512-hex", provider="generic", source=CONVOY,
        secret="Convoy",
        headers={
            "X-Convoy-Signature": (
                "83306382f5361d35351d6de45998f23b52f40bcf96befe4e92f137c0f1bf4a7119388b238d8f9d502ac77e6f"
                "1a8849a4778272667ed88d530cac8050bd1fee2d"
            ),
        },
        body="Test Payload Body",
    ),
    Vector(
        id="generic-sha512-base64", provider="generic", source=CONVOY,
        secret="Convoy",
        headers={
            "X-Convoy-Signature": "gzBjgvU2HTU1HW3kWZjyO1L0C8+Wvv5OkvE3wPG/SnEZOIsjjY+dUCrHfm8aiEmkd4JyZn7YjVMMrIBQvR/uLQ==",
        },
        body="Test Payload Body",
    ),
    Vector(
        id="stripe-primitive-empty", provider="generic", source=STRIPE_NODE,
        secret="test_secret",
        headers={"X-Signature": "f7f9bd47fb987337b5796fdc1fdb9ba221d0d5396814bfcaf9521f43fd8927fd"},
        body="",
    ),
    Vector(
        id="stripe-primitive-json", provider="generic", source=STRIPE_NODE,
        secret="test_secret",
        headers={"X-Signature": "bebb1a643997f419b315ddba19e6f5411e1ce7f810ba6d3617ce72823092f363"},
        body='{"obj1":"hello","obj2":"world"}',
    ),
    Vector(
        id="stripe-primitive-utf8", provider="generic", source=STRIPE_NODE,
        secret="test_secret",
        headers={"X-Signature": "837da296d05c4fe31f61d5d7ead035099d9585a5bcde87de952012a78f0b0c43"},
        body="😀",
    ),
    Vector(
        id="github-docs", provider="github", source=GITHUB_DOCS,
        secret="It's a Secret to Everybody",
        headers={"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        body="Hello, World!",
    ),
    Vector(
        id="github-octokit-json", provider="github", source=OCTOKIT,
        secret="mysecret",
        headers={"X-Hub-Signature-256": "sha256=4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3"},
        body='{"foo":"bar"}',
    ),
    Vector(
        id="github-octokit-wrong-secret", provider="github", source=OCTOKIT, valid=False,
        secret="foo",
        headers={"X-Hub-Signature-256": "sha256=4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3"},
        body='{"foo":"bar"}',
    ),
    Vector(
        id="github-octokit-bad-sig", provider="github", source=OCTOKIT, valid=False,
        secret="mysecret",
        headers={"X-Hub-Signature-256": "foo"},
        body='{"foo":"bar"}',
    ),
    Vector(
        id="github-octokit-unicode", provider="github", source=OCTOKIT,
        secret="development",
        headers={"X-Hub-Signature-256": "sha256=afecc3caa27548bb90d51a50384cb2868b9a3327b4ad6a01c9bd4ed0f8b0b12c"},
        body='{"foo":"Foo\\n\\u001B[34mbar: ♥♥♥♥♥♥♥♥\\nthis-is-lost\\u001B[0m\\u001B[2K"}',
    ),
    Vector(
        id="slack-docs", provider="slack", source=SLACK_SDK, now=1531420618,
        secret="8f742231b10e8888abcd99yyyzzz85a5",
        headers={
            "X-Slack-Request-Timestamp": "1531420618",
            "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            "Content-Type": "application/x-www-form-urlencoded",
        },
        body=SLACK_BODY,
    ),
    Vector(
        id="slack-modified-body", provider="slack", source=SLACK_SDK, valid=False, now=1531420618,
        secret="8f742231b10e8888abcd99yyyzzz85a5",
        headers={
            "X-Slack-Request-Timestamp": "1531420618",
            "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            "Content-Type": "application/x-www-form-urlencoded",
        },
        body=(
            "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=f"
            "oobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhoo"
            "ks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.474456"
            "29121.803a0bc887a14d10d2c447fce8b6703c------"
        ),
    ),
    Vector(
        id="slack-expired", provider="slack", source=SLACK_SDK, valid=False, now=1531420919,
        note="clock moved here",
        secret="8f742231b10e8888abcd99yyyzzz85a5",
        headers={
            "X-Slack-Request-Timestamp": "1531420618",
            "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            "Content-Type": "application/x-www-form-urlencoded",
        },
        body=SLACK_BODY,
    ),
    Vector(
        id="standard-webhooks-v1", provider="standard_webhooks", source=STANDARD, now=1614265330,
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        headers={
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        body='{"test": 2432232314}',
    ),
    Vector(
        id="standard-webhooks-v1-multisig", provider="standard_webhooks", source=STANDARD, now=1614265330,
        note="signature list composed here from two published entries",
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        headers={
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": (
                "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9"
                "tdO6mc= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
            ),
        },
        body='{"test": 2432232314}',
    ),
    Vector(
        id="standard-webhooks-v1-stale", provider="standard_webhooks", source=STANDARD, valid=False, now=1614265631,
        note="clock moved here",
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        headers={
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        body='{"test": 2432232314}',
    ),
    Vector(
        id="standard-webhooks-v1a", provider="standard_webhooks", source=SVIX_SERVER, now=1614265330,
        secret="whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
        private_key="whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
        headers={
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": (
                "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TB"
                "Ag=="
            ),
        },
        body='{"test": 2432232314}',
    ),
    Vector(
        id="standard-webhooks-v1a-tampered", provider="standard_webhooks", source=SVIX_SERVER, valid=False, now=1614265330,
        note="body altered here",
        secret="whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
        headers={
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": (
                "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TB"
                "Ag=="
            ),
        },
        body='{"test": 2432232315}',
    ),
    Vector(
        id="svix-v1", provider="svix", source=SVIX_PYTHON, now=1614265330,
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        headers={
            "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "svix-timestamp": "1614265330",
            "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        body='{"test": 2432232314}',
    ),
    Vector(
        id="svix-v1-badsig", provider="svix", source=SVIX_PYTHON, valid=False, now=1614265330,
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        headers={
            "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "svix-timestamp": "1614265330",
            "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA=",
        },
        body='{"test": 2432232314}',
    ),
    Vector(
        id="stripe-v1", provider="stripe", source=STRIPE_SDK, now=1700000000,
        secret="whsec_test_secret",
        headers={"Stripe-Signature": "t=1700000000,v1=a70db65aeed18b015a6d370040c96da3d077792df5345ae46abcaa2997435134"},
        body=STRIPE_BODY,
    ),
    Vector(
        id="stripe-v1-rotation", provider="stripe", source=STRIPE_SDK, now=1700000000,
        secret="whsec_test_secret",
        headers={
            "Stripe-Signature": (
                "t=1700000000,v1=0000000000000000000000000000000000000000000000000000000000000000,v1=a70d"
                "b65aeed18b015a6d370040c96da3d077792df5345ae46abcaa2997435134,v0=potato"
            ),
        },
        body=STRIPE_BODY,
    ),
    Vector(
        id="stripe-v1-old", provider="stripe", source=STRIPE_SDK, valid=False, now=1700000301,
        secret="whsec_test_secret",
        headers={"Stripe-Signature": "t=1700000000,v1=a70db65aeed18b015a6d370040c96da3d077792df5345ae46abcaa2997435134"},
        body=STRIPE_BODY,
    ),
    Vector(
        id="stripe-v0-only", provider="stripe", source=STRIPE_SDK, valid=False, now=1700000000,
        secret="whsec_test_secret",
        headers={"Stripe-Signature": "t=1700000000,v0=a70db65aeed18b015a6d370040c96da3d077792df5345ae46abcaa2997435134"},
        body=STRIPE_BODY,
    ),
    Vector(
        id="stripe-base64-decoded-key", provider="stripe", source=COMPUTED, valid=False, now=1700000000,
        note="signed with the key base64-decoded, as Svix does and Stripe does not",
        secret="whsec_test_secret",
        headers={"Stripe-Signature": "t=1700000000,v1=a79631c94d04867a44408054201dfb59b79a64f7e794592df3351cf9f35601c2"},
        body=STRIPE_BODY,
    ),
)
