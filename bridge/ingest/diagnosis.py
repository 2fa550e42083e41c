"""Why a request failed verification: what would have made it pass, tried out on the kept copy when
somebody looks. Pure.

Never on receipt: a flood of bad requests must not buy work, and the sender is told nothing.
"""

from __future__ import annotations

from bridge.core.errors import BadSignature
from bridge.core.model import Reject
from bridge.ingest.diagnosis_checks import CHECKS, PUBLIC_URL_STEP, show_url
from bridge.ingest.rejects import MAX_REJECT_BODY_BYTES, readmission_obstacle, rebuild_request
from bridge.ingest.scheme_inspection import fits
from bridge.providers.signatures.key_source import NO_KEYS, Keys
from bridge.providers.signatures.locations import signs_url
from bridge.routing.model import Config

#: What was known when it came, where that is all that can be said.
REASONS = {
    "not_pinned": (
        "It is not from whom, or not for whom, the source's `pins` say; or it names a key on a host"
        " that is not the sender's."
    ),
    "no_secret": "The source had no secret that was live when it came.",
    "no_key": (
        "The sender's keys could not be fetched when it came, nor now: is its host reached from"
        " here?"
    ),
}
UNREADABLE = (
    "The proof cannot be looked for: the body is not the JSON that should hold it, or the form or"
    " query has too many fields."
)
NOT_KEPT = (
    "What it showed as proof does not fit the secret here, and is not kept: once the two agree, let"
    " the sender send it again."
)


def diagnose(reject: Reject, config: Config, keys: Keys = NO_KEYS) -> list[str]:
    """Return what is found, the most telling first; never a secret, a signature or a part of the
    body. Empty: nothing was found.
    """
    source = config.sources.get(reject.source)
    if source is None:
        return [readmission_obstacle(reject, config) or ""]
    if reject.event_ids:
        return ["It was readmitted, and is an event now."]
    request = rebuild_request(reject)
    now = reject.received_at
    if verifies(reject, config, keys):
        return [
            "It verifies now, under the present routes.yaml: `flowbridge rejects readmit` lets"
            " it in."
        ]
    found: list[str] = []
    for look in CHECKS:
        try:
            found += look(request, source, config, now)
        except BadSignature:
            found += [] if reject.cut else [UNREADABLE]
    found += [REASONS[reject.reason]] if reject.reason in REASONS else []
    if reject.cut:
        found.append(
            f"Only the first {MAX_REJECT_BODY_BYTES} of its {reject.size} bytes are stored, so its"
            " signature cannot be checked again."
        )
    elif readmission_obstacle(reject, config):
        found.append(NOT_KEPT)
    elif not found and signs_url(source.scheme):
        found.append(
            f"Its sender signs the URL too, which is taken here for {show_url(request.url)}:"
            f" {PUBLIC_URL_STEP}"
        )
    return list(dict.fromkeys(found))


def verifies(reject: Reject, config: Config, keys: Keys = NO_KEYS) -> bool:
    """Return whether the reject would pass under the present configuration, as of when it came."""
    if readmission_obstacle(reject, config):
        return False
    source = config.sources[reject.source]
    return fits(source.scheme, rebuild_request(reject), source.secrets, reject.received_at, keys)
