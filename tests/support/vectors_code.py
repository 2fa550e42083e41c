"""Published signature vectors of code hosting and builds, each with its source."""

from __future__ import annotations

from vectors import Vector

CIRCLECI = (
    "https://github.com/circleci/circleci-docs/blob/002e41a773cc7c89e8a66dc0071ab0ca262a885c/jekyll/_cci2/webhooks.adoc"
)
BITBUCKET = "https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/"


def circleci(id: str, secret: str, signature: str, body: str, *, valid: bool = True, note: str = "") -> Vector:
    headers = {"circleci-signature": signature}
    return Vector(id=id, provider="circleci", source=CIRCLECI, secret=secret, headers=headers, body=body, valid=valid, note=note)


VECTORS = (
    circleci("circleci-1", "secret", "v1=734cc62f32841568f45715aeb9f4d7891324e6d948e4c6c60c0621cdac48623a", "hello world"),
    circleci("circleci-2", "another-secret", "v1=daa220016c8f29a8b214fbfc3671aeec2145cfb1e6790184ffb38b6d0425fa00", "lalala"),
    circleci(
        "circleci-3", "hunter123", "v1=9be2242094a9a8c00c64306f382a7f9d691de910b4a266f67bd314ef18ac49fa",
        "an-important-request-payload",
    ),
    circleci("circleci-4", "secret", "v1=773ba44693c7553d6ee20f61ea5d2757a9a4f4a44d2841ae4e95b52e4cd62db4", "foo"),
    circleci("circleci-no-signature", "secret", "v1=not-a-valid-signature", "foo", valid=False),
    circleci(
        "circleci-later-version", "secret", "v2=773ba44693c7553d6ee20f61ea5d2757a9a4f4a44d2841ae4e95b52e4cd62db4", "foo", valid=False,
        note="label changed here: only v1 is looked at",
    ),
    Vector(
        id="bitbucket-docs", provider="bitbucket", source=BITBUCKET,
        secret="It's a Secret to Everybody",
        headers={"X-Hub-Signature": "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"},
        body="Hello World!",
    ),
    Vector(
        id="bitbucket-docs-altered", provider="bitbucket", source=BITBUCKET, valid=False, note="body altered here",
        secret="It's a Secret to Everybody",
        headers={"X-Hub-Signature": "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"},
        body="Hello World?",
    ),
)
