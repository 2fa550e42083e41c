"""Published signature vectors of payments, shops, form services, CRMs and work tools."""

from __future__ import annotations

from vectors import Vector

PADDLE_NODE = (
    "https://github.com/PaddleHQ/paddle-node-sdk/blob/b8ee4b12741d88abe5a33f5c8a74735c9ac3653f/"
    "src/__tests__/notifications/webhooks-validator.node.test.ts"
)
PADDLE_PYTHON = (
    "https://github.com/PaddleHQ/paddle-python-sdk/blob/48c8cc04ecd5eb87b1861731bc56f7ec1abfe28"
    "4/tests/Unit/Notification/test_Verifier.py"
)
SQUARE = (
    "https://github.com/square/square-python-sdk/blob/24302bac57d9227c905e9d14e83c1d39b27aece0/"
    "tests/integration/test_webhooks_helper.py"
)
QONTO = "https://docs.qonto.com/api-reference/onboarding-api/webhooks"
HUBSPOT = (
    "https://github.com/HubSpot/hubspot-api-ruby/blob/75a9afa65e9789fbe6ff711066d798ca0c10f432/"
    "spec/helpers/signature_spec.rb"
)
BOX = "https://github.com/box/box-python-sdk/blob/656e9bbb24de3384c766aa77d8182a5114b19d0d/test/webhooks.py"
SANITY = "https://github.com/sanity-io/webhook-toolkit/blob/649f5adcd8e9d45f73172b05870863b299ba9bc9/test/signature.test.ts"
ADYEN = "https://github.com/Adyen/adyen-python-api-library/blob/b6f49792b79c23e2674b35c04dd045aa07daf599/test/UtilTest.py"
AUTHORIZE_NET = (
    "https://github.com/stymiee/authnetjson/blob/0aa29416c9ab7d6a883ae592b28269d5cf41d85d/tests"
    "/Authnetjson/AuthnetWebhookTest.php"
)

VECTORS = (
    Vector(
        id="paddle-node-valid", provider="paddle", source=PADDLE_NODE, now=1698796800,
        secret="VALID_SECRET",
        headers={"Paddle-Signature": "ts=1698796800;h1=a300428748dce5c70e4da19bffd60769591ea969c99dea3105d0ec9612cf43f9"},
        body='{"data": ["1", "2"]}',
    ),
    Vector(
        id="paddle-node-space-tampered", provider="paddle", source=PADDLE_NODE, valid=False, now=1698796800,
        secret="VALID_SECRET",
        headers={"Paddle-Signature": "ts=1698796800;h1=a300428748dce5c70e4da19bffd60769591ea969c99dea3105d0ec9612cf43f9"},
        body='{ "data": [ "1", "2" ]}',
    ),
    Vector(
        id="paddle-multi-h1", provider="paddle", source=PADDLE_PYTHON, now=1696195954,
        secret="pdl_ntf_01hbpjmytsa32fhr36nqgc3kgb_WvRO0eL4Bj9rgYYIBZY6wZhG4EHy9jzh",
        headers={
            "Paddle-Signature": "ts=1696195954;h1=dummy;h1=d96299976a6eb066f484d7fde011ac56fc32b38fc9940bc419d6e537fdc6ef02",
        },
        body="hello-world",
    ),
    Vector(
        id="paddle-multi-h1-old-secret", provider="paddle", source=PADDLE_PYTHON, valid=False, now=1696195954,
        secret="pdl_ntf_01hbpjmytsa32fhr36nqgc3kgb_TjIG2BXbm83HPXqNfziwe506sBEdqL/4",
        headers={
            "Paddle-Signature": "ts=1696195954;h1=dummy;h1=d96299976a6eb066f484d7fde011ac56fc32b38fc9940bc419d6e537fdc6ef02",
        },
        body="hello-world",
    ),
    Vector(
        id="square-escaped", provider="square", source=SQUARE,
        request={"url": "https://webhook.site/webhooks"},
        secret="signature-key",
        headers={"x-square-hmacsha256-signature": "Cxt7+aTi4rKgcA0bC4g9EHdVtLSDWdqccmL5MvihU4U="},
        body='{"data":{"type":"webhooks","id":">id<"}}',
    ),
    Vector(
        id="square-pass", provider="square", source=SQUARE,
        request={"url": "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9"},
        secret="Ibxx_5AKakO-3qeNVR61Dw",
        headers={"x-square-hmacsha256-signature": "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4="},
        body=(
            '{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":"ac3ac95b-f97d-458c-a6'
            'e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z","data":{"type":"webhooks","id":"bc368'
            'e64-01aa-407e-b46e-3231809b1129"}}'
        ),
    ),
    Vector(
        id="square-url-mismatch", provider="square", source=SQUARE, valid=False,
        request={"url": "https://webhook.site/79a4f3a-dcfa-49ee-bac5-9d0edad886b9"},
        secret="Ibxx_5AKakO-3qeNVR61Dw",
        headers={"x-square-hmacsha256-signature": "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4="},
        body=(
            '{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":"ac3ac95b-f97d-458c-a6'
            'e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z","data":{"type":"webhooks","id":"bc368'
            'e64-01aa-407e-b46e-3231809b1129"}}'
        ),
    ),
    Vector(
        id="qonto-onboarding", provider="qonto", source=QONTO,
        secret="secret_key",
        headers={"Qonto-SHA256-Signature": "b0d249e653f1310fa5b7f26d5682548afa1799353b92fcafd4cacbd90312023e"},
        body=(
            '{"id":"75341dcb-0376-474d-97d7-d2c03ff3973c","event_type":"registrations.pending","resource_type":"r'
            'egistration","resource_id":"525817f7-93e8-4f31-a83d-20319778b4b0","created_at":"2022-08-29T13:17:32Z'
            '"}'
        ),
    ),
    Vector(
        id="hubspot-v3", provider="hubspot", source=HUBSPOT, now=1700000300,
        request={"url": "https://www.example.com/webhook_uri"},
        secret="yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy",
        headers={
            "X-HubSpot-Signature-v3": "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw=",
            "X-HubSpot-Request-Timestamp": "1700000300000",
        },
        body="{'example_field':'example_value'}",
    ),
    Vector(
        id="hubspot-v3-stale", provider="hubspot", source=HUBSPOT, valid=False, now=1700000601,
        note="clock moved here",
        request={"url": "https://www.example.com/webhook_uri"},
        secret="yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy",
        headers={
            "X-HubSpot-Signature-v3": "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw=",
            "X-HubSpot-Request-Timestamp": "1700000300000",
        },
        body="{'example_field':'example_value'}",
    ),
    Vector(
        id="box-primary", provider="box", source=BOX, now=1577862000,
        secret="SamplePrimaryKey",
        headers={
            "Box-Delivery-Id": "f96bb54b-ee16-4fc5-aa65-8c2d9e5b546f",
            "Box-Delivery-Timestamp": "2020-01-01T00:00:00-07:00",
            "Box-Signature-Algorithm": "HmacSHA256",
            "Box-Signature-Primary": "6TfeAW3A1PASkgboxxA5yqHNKOwFyMWuEXny/FPD5hI=",
            "Box-Signature-Version": "1",
        },
        body=(
            '{"type":"webhook_event","webhook":{"id":"1234567890"},"trigger":"FILE.UPLOADED","source":{"id":"1234'
            '567890","type":"file","name":"Test.txt"}}'
        ),
    ),
    Vector(
        id="box-secondary-only-key-known", provider="box", source=BOX, now=1577862000,
        note="primary signature left in place",
        secret="SampleSecondaryKey",
        headers={
            "Box-Delivery-Id": "f96bb54b-ee16-4fc5-aa65-8c2d9e5b546f",
            "Box-Delivery-Timestamp": "2020-01-01T00:00:00-07:00",
            "Box-Signature-Algorithm": "HmacSHA256",
            "Box-Signature-Primary": "6TfeAW3A1PASkgboxxA5yqHNKOwFyMWuEXny/FPD5hI=",
            "Box-Signature-Secondary": "v+1CD1Jdo3muIcbpv5lxxgPglOqMfsNHPV899xWYydo=",
            "Box-Signature-Version": "1",
        },
        body=(
            '{"type":"webhook_event","webhook":{"id":"1234567890"},"trigger":"FILE.UPLOADED","source":{"id":"1234'
            '567890","type":"file","name":"Test.txt"}}'
        ),
    ),
    Vector(
        id="box-wrong-key", provider="box", source=BOX, valid=False, now=1577862000,
        secret="IncorrectKey",
        headers={
            "Box-Delivery-Id": "f96bb54b-ee16-4fc5-aa65-8c2d9e5b546f",
            "Box-Delivery-Timestamp": "2020-01-01T00:00:00-07:00",
            "Box-Signature-Algorithm": "HmacSHA256",
            "Box-Signature-Primary": "6TfeAW3A1PASkgboxxA5yqHNKOwFyMWuEXny/FPD5hI=",
            "Box-Signature-Secondary": "v+1CD1Jdo3muIcbpv5lxxgPglOqMfsNHPV899xWYydo=",
            "Box-Signature-Version": "1",
        },
        body=(
            '{"type":"webhook_event","webhook":{"id":"1234567890"},"trigger":"FILE.UPLOADED","source":{"id":"1234'
            '567890","type":"file","name":"Test.txt"}}'
        ),
    ),
    Vector(
        id="box-unicode-escaped", provider="box", source=BOX, now=1577862000,
        secret="SamplePrimaryKey",
        headers={
            "Box-Delivery-Id": "f96bb54b-ee16-4fc5-aa65-8c2d9e5b546f",
            "Box-Delivery-Timestamp": "2020-01-01T00:00:00-07:00",
            "Box-Signature-Algorithm": "HmacSHA256",
            "Box-Signature-Primary": "LV2uCu+5NJtIHrCXDYgZ0v/PP5THGRuegw3RtdnEyuE=",
            "Box-Signature-Secondary": "v+1CD1Jdo3muIcbpv5lxxgPglOqMfsNHPV899xWYydo=",
            "Box-Signature-Version": "1",
        },
        body=(
            '{"webhook":{"id":"1234567890"},"trigger":"FILE.UPLOADED","source":{"id":"1234567890","type":"file","'
            'name":"\\u30b9\\u30af\\u30ea\\u30fc\\u30f3\\u30b7\\u30e7\\u30c3\\u30c8 2020-08-05.txt"}}'
        ),
    ),
    Vector(
        id="sanity-valid", provider="sanity", source=SANITY,
        secret="test",
        headers={"sanity-webhook-signature": "t=1633519811129,v1=tLa470fx7qkLLEcMOcEUFuBbRSkGujyskxrNXcoh0N0"},
        body='{"_id":"resume"}',
    ),
    Vector(
        id="sanity-valid-2", provider="sanity", source=SANITY,
        secret="try-me",
        headers={"sanity-webhook-signature": "t=1633518820676,v1=e7C9h2sfbFfc4V7TEz7PSOp4IoNzl0UdVsBV-1wgdeA"},
        body='{"title":"GROQ-Hooks are neat"}',
    ),
    Vector(
        id="sanity-bad-timestamp", provider="sanity", source=SANITY, valid=False,
        secret="test",
        headers={"sanity-webhook-signature": "t=1633519811128,v1=tLa470fx7qkLLEcMOcEUFuBbRSkGujyskxrNXcoh0N0"},
        body='{"_id":"resume"}',
    ),
    Vector(
        id="sanity-bad-payload", provider="sanity", source=SANITY, valid=False,
        secret="test",
        headers={"sanity-webhook-signature": "t=1633519811129,v1=tLa470fx7qkLLEcMOcEUFuBbRSkGujyskxrNXcoh0N0"},
        body='{"_id":"structure"}',
    ),
    Vector(
        id="adyen-standard", provider="adyen", source=ADYEN,
        note="an item of the test, in a list of items here, without the fields that are not signed",
        secret="44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
        headers={"Content-Type": "application/json"},
        body=(
            '{"live": "false", "notificationItems": [{"NotificationRequestItem": {"pspReference": "79140733813422'
            '84", "merchantReference": "TestPayment-1407325143704", "merchantAccountCode": "TestMerchant", "amoun'
            't": {"currency": "EUR", "value": 1130}, "eventCode": "AUTHORISATION", "success": "true", "additional'
            'Data": {"hmacSignature": "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="}}}]}'
        ),
    ),
    Vector(
        id="adyen-standard-tampered", provider="adyen", source=ADYEN, valid=False,
        note="amount altered here",
        secret="44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
        headers={"Content-Type": "application/json"},
        body=(
            '{"live": "false", "notificationItems": [{"NotificationRequestItem": {"pspReference": "79140733813422'
            '84", "merchantReference": "TestPayment-1407325143704", "merchantAccountCode": "TestMerchant", "amoun'
            't": {"currency": "EUR", "value": 1131}, "eventCode": "AUTHORISATION", "success": "true", "additional'
            'Data": {"hmacSignature": "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="}}}]}'
        ),
    ),
    Vector(
        id="authorize-net-literal-key", provider="authorize_net", source=AUTHORIZE_NET,
        secret=(
            "52CB4A002C634B84E397DC8A218E1A160BA7CAB7CBE4C05B35E9CBB05E14FE4A2385812E980CCF97D177F17863CE214D1BE6"
            "CE8E1E894487AACF3609C1A5FE17"
        ),
        headers={
            "X-Anet-Signature": (
                "sha512=A1E0CC0F8A7B6274E0951CAC5EB63579F70FC6B7B15384B146DCE02B98DEE3954A5A8E331661B51DE95"
                "3E141E88994DFA7D267FFB8428BE0660511B6EFB94960"
            ),
        },
        body=(
            '{"notificationId":"182cbbff-cab2-4080-931d-80e5d818f23a","eventType":"net.authorize.payment.authcapt'
            'ure.created","eventDate":"2017-08-18T20:40:52.7722007Z","webhookId":"849eb87e-078a-4169-a34b-c0bded5'
            '019a8","payload":{"responseCode":0,"authCode":"Z3PV5H","avsResponse":"Y","authAmount":0.0,"entityNam'
            'e":"transaction","id":"40005915599"}}'
        ),
    ),
    Vector(
        id="authorize-net-wrong", provider="authorize_net", source=AUTHORIZE_NET, valid=False,
        secret=(
            "52CB4A002C634B84E397DC8A218E1A160BA7CAB7CBE4C05B35E9CBB05E14FE4A2385812E980CCF97D177F17863CE214D1BE6"
            "CE8E1E894487AACF3609C1A5FE17"
        ),
        headers={
            "X-Anet-Signature": (
                "sha512=A1E0CC0F8A7B6274E0951CAC5EB63146DCE02B98DEE3954579F70FC6B7B15384BA5A8E331661B51DE95"
                "3E141E88994DFA7D267FFB8428BE0660511B6EFB94960"
            ),
        },
        body=(
            '{"notificationId":"182cbbff-cab2-4080-931d-80e5d818f23a","eventType":"net.authorize.payment.authcapt'
            'ure.created","eventDate":"2017-08-18T20:40:52.7722007Z","webhookId":"849eb87e-078a-4169-a34b-c0bded5'
            '019a8","payload":{"responseCode":0,"authCode":"Z3PV5H","avsResponse":"Y","authAmount":0.0,"entityNam'
            'e":"transaction","id":"40005915599"}}'
        ),
    ),
    Vector(
        id="qonto-onboarding-tampered", provider="qonto", source=QONTO, valid=False,
        note="body altered here",
        secret="secret_key",
        headers={"Qonto-SHA256-Signature": "b0d249e653f1310fa5b7f26d5682548afa1799353b92fcafd4cacbd90312023e"},
        body=(
            '{"id":"75341dcb-0376-474d-97d7-d2c03ff3973c","event_type":"registrations.granted","resource_type":"r'
            'egistration","resource_id":"525817f7-93e8-4f31-a83d-20319778b4b0","created_at":"2022-08-29T13:17:32Z'
            '"}'
        ),
    ),
)
