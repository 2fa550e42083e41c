"""Published signature vectors of chat, mail and telephone, each with its source."""

from __future__ import annotations

from vectors import COMPUTED, Vector

LINE = "https://github.com/line/line-bot-sdk-python/blob/e1fa9338a3230ef4912aa387778641a505cf7372/tests/v3/test_webhook.py"
TWILIO = "https://github.com/twilio/twilio-python/blob/306691e793f417b6974640d1ef88785e9de03b2a/tests/unit/test_request_validator.py"
TWILIO_SDK = "twilio 9.13.0, RequestValidator.compute_signature with HMAC_SHA256"
SENDGRID = "sendgrid-python 6.12.5, test/unit/test_eventwebhook.py"
PYNACL = "PyNaCl 1.6.2 with the RFC 8032 test-1 key; checked with discord_interactions.verify_key"

FORM = "application/x-www-form-urlencoded"
CALL = "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309"
QUERY = "foo=1&bar=2"
HASH = "bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
SENDGRID_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
SENDGRID_BODY = (
    '[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    '"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    '"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    '"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
)
DISCORD_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
DISCORD_COMMAND = (
    "adb79749aa9fe99eb7d8d9530580edb597db40e2bdff6ed5a2b3fc4bc45e14044ed41d8a78778e58be537d0c1df8f2f760831d2c1e3af3ac5f5f2f4265b5b803"
)


def twilio(id: str, signature: str, body: str, content_type: str = FORM, query: str = QUERY, **more: bool | str) -> Vector:
    headers = {"X-Twilio-Signature": signature, "Content-Type": content_type}
    request = {"url": f"https://mycompany.com/myapp.php?{query}", "query_string": query}
    known = {"valid": bool(more.get("valid", True)), "note": str(more.get("note", ""))}
    return Vector(id=id, provider="twilio", source=TWILIO, secret="12345", headers=headers, body=body, request=request, **known)  # type: ignore[arg-type]


def sendgrid(id: str, signature: str, body: str = SENDGRID_BODY, secret: str = SENDGRID_KEY, *, valid: bool = False) -> Vector:
    name = "X-Twilio-Email-Event-Webhook"
    headers = {f"{name}-Signature": signature, f"{name}-Timestamp": "1600112502"}
    return Vector(id=id, provider="sendgrid", source=SENDGRID, secret=secret, headers=headers, body=body, valid=valid)


def discord(id: str, timestamp: str, *, valid: bool = True, note: str = "") -> Vector:
    headers = {"X-Signature-Ed25519": DISCORD_COMMAND, "X-Signature-Timestamp": timestamp}
    body = '{"type":2,"id":"3","data":{"name":"hello"}}'
    return Vector(id=id, provider="discord", source=PYNACL, secret=DISCORD_KEY, headers=headers, body=body, now=1700000000, valid=valid,
                  note=note)  # fmt: skip


GOOD = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="

VECTORS: tuple[Vector, ...] = (
    Vector(
        id="line-valid", provider="line", source=LINE,
        secret="channel_secret",
        headers={"X-Line-Signature": "/gg9a+LvFevTH1sd7XCQycD7tsWclCsInj7MhBHxN7k="},
        body="bodybodybodybody",
    ),
    Vector(
        id="line-invalid", provider="line", source=LINE, valid=False,
        secret="channel_secret",
        headers={"X-Line-Signature": "invalid_signature"},
        body="bodybodybodybody",
    ),
    twilio("twilio-form", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", CALL),
    twilio("twilio-form-values", "IK+Dwps556ElfBT0I3Rgjkr1wJU=", "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234"),
    twilio("twilio-form-duplicates", "IK+Dwps556ElfBT0I3Rgjkr1wJU=", "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234",
           valid=False, note="the SDK drops the repeated pair; it is refused here, since what is signed does not say how often it came"),
    twilio("twilio-form-port", "kvajT1Ptam85bY51eRf/AJRuM3w=", CALL, note="signed over the URL with its port written out"),
    twilio(
        "twilio-json", "a9nBmqA0ju/hNViExpshrM61xv4=", '{"property": "value", "boolean": true}', "application/json", f"{QUERY}&{HASH}",
    ),
    twilio(
        "twilio-json-altered", "a9nBmqA0ju/hNViExpshrM61xv4=", '{"property": "value", "boolean": false}', "application/json",
        f"{QUERY}&{HASH}", valid=False, note="body altered here",
    ),
    Vector(
        id="twilio-shared-key", provider="twilio", source=TWILIO_SDK,
        secret="webhooks_sharedkey_secret_value",
        headers={
            "X-Twilio-Signature": "QdWiwxRieAiI5Pe67UQBOzu9LTlN6oiKJmP4VwZStVs=",
            "X-Twilio-Webhooks-Signature-Settings": "key=webhooks_sharedkey_example,algorithm=HMAC_SHA256",
            "Content-Type": FORM,
        },
        body="Body=Hi+there&From=%2B15550001111&To=%2B15550002222",
        request={"url": "https://example.com/hooks/twilio?x=1", "query_string": "x=1"},
    ),
    Vector(
        id="twilio-shared-key-as-token", provider="twilio", source=COMPUTED, valid=False,
        note="the same without the header that names the key: what was signed with SHA-256 is no SHA-1",
        secret="webhooks_sharedkey_secret_value",
        headers={"X-Twilio-Signature": "QdWiwxRieAiI5Pe67UQBOzu9LTlN6oiKJmP4VwZStVs=", "Content-Type": FORM},
        body="Body=Hi+there&From=%2B15550001111&To=%2B15550002222",
        request={"url": "https://example.com/hooks/twilio?x=1", "query_string": "x=1"},
    ),
    sendgrid("sendgrid-valid", GOOD, valid=True),
    sendgrid("sendgrid-bad-payload", GOOD, "payload"),
    sendgrid(
        "sendgrid-bad-signature",
        "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH3j/0=",
    ),
    sendgrid(
        "sendgrid-bad-key", GOOD, SENDGRID_BODY,
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA==",
    ),
    discord("discord-command", "1700000000"),
    discord("discord-other-time", "1700000001", valid=False, note="time altered: Discord sends such requests and expects 401"),
)
