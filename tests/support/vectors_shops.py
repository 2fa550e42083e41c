"""Published signature vectors of subscriptions, marketplaces and forms."""

from __future__ import annotations

from vectors import Vector

RECURLY = (
    "https://github.com/recurly/recurly-client-ruby/blob/05fa008d7df3cb82187e7c8c7b0330a8b8ea0b58/"
    "spec/recurly/webhooks_spec.rb"
)
EBAY = "https://github.com/eBay/event-notification-nodejs-sdk/blob/feaf3378ca263a81432cf5b8c8a6fd8cb3d3e2f3/test/test.json"
FORMSTACK = (
    "https://github.com/hookdeck/webhook-skills/blob/4cc57d75836f408b321b6952ebce2f5992fd4fcb/"
    "skills/formstack-webhooks/references/verification.md"  # two real requests, captured on 2026-09-25
)

ORB = (
    "https://github.com/orbcorp/orb-kotlin/blob/9c559a8da458d8d7ae735a506cdf4c1f646080df/"
    "orb-kotlin-core/src/test/kotlin/com/withorb/api/services/blocking/WebhookServiceTest.kt"
)

RECURLY_SECRET = "354fab5bd35f5a0d50845ee7e30165244468b13c2c343f104e4e730a59326d9d"
RECURLY_HEADERS = {"recurly-signature": "1663103925004,ad24699f3beaa24c9af2cc7ada3ce4c835da0090194241b9d3add83d27f14bc3"}
RECURLY_BODY = (
    '{"id":"rjxwmwedwqug","object_type":"account","site_id":"qc326l1hl8k9","event_type":"created",'
    '"event_time":"2022-09-13T21:18:40Z","account_code":"adfas23zzz14123"}'
)
ORB_SECRET = "c-UGKYdnhHh436B_sMouYAPUvXyWpzOdunZBV5dFSD8"
ORB_SIGNATURE = "9d25de966891ab0bc18754faf8d83d0980b44ae330fcc130b41a6cf3daf1f391"
ORB_TIME = {"X-Orb-Timestamp": "2024-03-27T15:42:29.551"}
ORB_BODY = (
    '{"id": "o4mmewpfNNTnjfZc", "created_at": "2024-03-27T15:42:29+00:00", "type": "resource_event.test", '
    '"properties": {"message": "A test webhook from Orb. Happy testing!"}}'
)
EBAY_KEY = (
    "-----BEGIN PUBLIC KEY-----MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZhhxXKtR+TOvtDbgTPCkSof02qgBB7IsYOyf76ilExJ/upAa/vKIKheOoCyOpcLmi4t0"
    "b4uepb7LLjmMr90FUg==-----END PUBLIC KEY-----"
)
EBAY_BODY = (
    '{"metadata":{"topic":"MARKETPLACE_ACCOUNT_DELETION","schemaVersion":"1.0","deprecated":false},"notification":{"notificationId":'
    '"49feeaeb-4982-42d9-a377-9645b8479411_33f7e043-fed8-442b-9d44-791923bd9a6d","eventDate":"2021-03-19T20:43:59.462Z","publishDate":'
    '"2021-03-19T20:43:59.679Z","publishAttemptCount":1,"data":{"username":"test_user","userId":"ma8vp1jySJC","eiasToken":'
    '"nY+sHZ2PrBmdj6wVnY+sEZ2PrA2dj6wJnY+gAZGEpwmdj6x9nY+seQ=="}}}'
)

VECTORS = (
    Vector(
        id="recurly-signed", provider="recurly", source=RECURLY, now=1663103925,
        secret=RECURLY_SECRET, headers=RECURLY_HEADERS, body=RECURLY_BODY,
    ),
    Vector(
        id="recurly-six-minutes-late", provider="recurly", source=RECURLY, valid=False, now=1663104286,
        secret=RECURLY_SECRET, headers=RECURLY_HEADERS, body=RECURLY_BODY,
    ),
    Vector(
        id="recurly-other-secret", provider="recurly", source=RECURLY, valid=False, now=1663103925,
        secret="key", headers=RECURLY_HEADERS, body=RECURLY_BODY,
    ),
    Vector(
        id="recurly-other-body", provider="recurly", source=RECURLY, valid=False, now=1663103925,
        secret=RECURLY_SECRET, headers=RECURLY_HEADERS, body="{}",
    ),
    Vector(
        id="orb-signed", provider="orb", source=ORB, now=1711554149,
        secret=ORB_SECRET, headers={**ORB_TIME, "X-Orb-Signature": f"v1={ORB_SIGNATURE}"}, body=ORB_BODY,
    ),
    Vector(
        id="orb-several-signatures", provider="orb", source=ORB, now=1711554149,
        secret=ORB_SECRET, headers={**ORB_TIME, "X-Orb-Signature": f"v1={ORB_SIGNATURE} v1=Zm9v"}, body=ORB_BODY,
    ),
    Vector(
        id="orb-other-version", provider="orb", source=ORB, valid=False, now=1711554149,
        secret=ORB_SECRET, headers={**ORB_TIME, "X-Orb-Signature": f"v2={ORB_SIGNATURE}"}, body=ORB_BODY,
    ),
    Vector(
        id="orb-too-old", provider="orb", source=ORB, valid=False, now=1711555149,
        secret=ORB_SECRET, headers={**ORB_TIME, "X-Orb-Signature": f"v1={ORB_SIGNATURE}"}, body=ORB_BODY,
    ),
    Vector(
        id="orb-other-secret", provider="orb", source=ORB, valid=False, now=1711554149,
        secret="invalid-secret", headers={**ORB_TIME, "X-Orb-Signature": f"v1={ORB_SIGNATURE}"}, body=ORB_BODY,
    ),
    Vector(
        id="ebay-signed", provider="ebay", source=EBAY,
        secret=EBAY_KEY,
        headers={
            "X-EBAY-SIGNATURE": (
                "eyJhbGciOiJlY2RzYSIsImtpZCI6Ijk5MzYyNjFhLTdkN2ItNDYyMS1hMGYxLTk2Y2NiNDI4YWY0OSIsInNpZ25hdHVyZSI6Ik1FWUNJUUNmeGZJV3V4bVdj"
                "SUJRSjljNS9YN2lHREpxczJSQ0dzQkVhQWppbnlycmZBSWhBSVY2d0djVGlCdVY1S0pVaWYyaG9reXJMK1E5c3NIa2FkK214Mm5FRTI1dyIsImRpZ2VzdCI6"
                "IlNIQTEifQ=="
            ),
        },
        body=EBAY_BODY,
    ),
    Vector(
        id="ebay-signature-of-another", provider="ebay", source=EBAY, valid=False,
        secret=EBAY_KEY,
        headers={
            "X-EBAY-SIGNATURE": (
                "eyJhbGciOiJlY2RzYSIsImtpZCI6Ijk5MzYyNjFhLTdkN2ItNDYyMS1hMGYxLTk2Y2NiNDI4YWY0OSIsInNpZ25hdHVyZSI6Ik1FVUNJUUNHY1NubUFrVGZy"
                "K1paMlZnMGJXRW9zOGEvdGVCcWk3UGU2OCtoR21MTUNRSWdlRnZrcnRvKzhkczhSVndJM0dnbjFtTUdDck5NRVpKM1NSbE8yZngveHFJPSIsImRpZ2VzdCI6"
                "IlNIQTEifQ=="
            ),
        },
        body=EBAY_BODY,
    ),
    Vector(
        id="formstack-captured", provider="formstack", source=FORMSTACK,
        secret="test1",
        headers={
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-FS-Signature": "sha256=30dff7f180b6d69eab397a5d51719474df490b730514c253e8b5832d3b51b970",
        },
        body="FormID=6606394&UniqueID=1500878955&HandshakeKey=test",
    ),
    Vector(
        id="formstack-older-key", provider="formstack", source=FORMSTACK, valid=False,
        secret="test",
        headers={
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-FS-Signature": "sha256=30dff7f180b6d69eab397a5d51719474df490b730514c253e8b5832d3b51b970",
        },
        body="FormID=6606394&UniqueID=1500878955&HandshakeKey=test",
    ),
)
