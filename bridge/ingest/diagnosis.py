"""Diagnosis of a request that failed verification. Pure.

It runs on the stored copy when an operator asks for it, and never on receipt: a flood of bad
requests must not cause work, and the sender learns nothing.
"""

from __future__ import annotations

from bridge.core.errors import BadSignature
from bridge.core.model import Reject
from bridge.ingest.diagnosis_checks import CHECKS, PUBLIC_URL_STEP, show_url
from bridge.ingest.rejects import describe_cut, readmission_obstacle, rebuild_request
from bridge.ingest.scheme_inspection import fits
from bridge.providers.signatures.key_source import NO_KEYS, KeySource
from bridge.providers.signatures.locations import signs_url
from bridge.routing.model import Config

#: The reason recorded on receipt -> the sentence, if the checks cannot find more.
REASONS = {
    "malformed": (
        "Its signature, or the header that holds it, is not in the form that the sender uses:"
        " probably something else sent the request, or a proxy changed the header."
    ),
    "not_pinned": (
        "Its origin or recipient does not match the source's `pins`, or it names a key on a host"
        " that does not belong to the sender."
    ),
    "no_secret": "The source had no valid secret when the request arrived.",
    "no_key": (
        "The sender's public keys could not be fetched, then or now: check that this machine can"
        " reach the sender's host."
    ),
}
UNREADABLE = (
    "The signature cannot be read: the body is not the expected JSON, or the form or query has too"
    " many fields."
)
NO_FINDING = (
    "no variant of the secret, time and body matched: probably the sender uses another secret, or"
    " the body was changed in transit"
)
NOT_KEPT = (
    "Its credential does not match the secret here, and is not stored. Set the same secret on both"
    " sides, then send the request again from the sender."
)


def diagnose(reject: Reject, config: Config, keys: KeySource = NO_KEYS) -> list[str]:
    """Return the findings, the most specific first; an empty list if nothing is found.

    They never contain a secret, a signature or a part of the body.
    """
    source = config.sources.get(reject.source)
    if source is None:
        return [readmission_obstacle(reject, config) or ""]
    if reject.event_ids:
        return ["It was readmitted and is now an event."]
    request = rebuild_request(reject)
    now = reject.received_at
    if verifies(reject, config, keys):
        return [
            "It verifies now, with the current routes.yaml: `flowbridge rejects readmit` accepts"
            " it."
        ]
    found: list[str] = []
    for look in CHECKS:
        try:
            found += look(request, source, config, now)
        except BadSignature:
            found += [] if reject.cut else [UNREADABLE]
    found += [REASONS[reject.reason]] if reject.reason in REASONS else []
    if reject.cut:
        stored = describe_cut(reject)
        found.append(f"{stored[0].upper()}{stored[1:]}, so its signature cannot be checked again.")
    elif readmission_obstacle(reject, config):
        found.append(NOT_KEPT)
    elif not found and signs_url(source.scheme):
        found.append(
            f"Its sender also signs the URL. Here the URL is {show_url(request.url)}:"
            f" {PUBLIC_URL_STEP}"
        )
    return list(dict.fromkeys(found))


def explain_failure(reject: Reject, config: Config, keys: KeySource = NO_KEYS) -> str:
    """Return the most specific finding, or that nothing was found."""
    return next(iter(diagnose(reject, config, keys)), NO_FINDING)


def verifies(reject: Reject, config: Config, keys: KeySource = NO_KEYS) -> bool:
    """Return whether the reject verifies with the current configuration, at its time of receipt."""
    if readmission_obstacle(reject, config):
        return False
    source = config.sources[reject.source]
    return fits(source.scheme, rebuild_request(reject), source.secrets, reject.received_at, keys)
