"""The signature rules of adnanh/webhook, as the verification of a source. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.core.text import pluralize
from bridge.importers.hook_references import HookParameter, NotCarried, text_of
from bridge.importers.model import FindingLog, ImportResult
from bridge.importers.secret_texts import compares_secret
from bridge.services.project.env_file import secret_variable

MAX_SOURCE_SECRETS: Final = 8
GETENV_MARK: Final = re.compile(r"FLOWBRIDGE-GETENV-([A-Za-z_][A-Za-z0-9_]*)-END")
#: Rule types -> the algorithm of the HMAC.
HMAC_RULES: Final = {
    f"payload-{kind}-{algorithm}": algorithm
    for kind in ("hmac", "hash")
    for algorithm in ("sha1", "sha256", "sha512")
}
#: (header, algorithm) -> the provider that sends this signature.
KNOWN_HEADERS: Final = {
    ("x-hub-signature", "sha1"): "github",
    ("x-hub-signature-256", "sha256"): "github",
    ("x-hub-signature", "sha256"): "bitbucket",
    ("x-gitea-signature", "sha256"): "gitea",
}
_KIND_ORDER: Final = ("hmac", "scalr", "token")
_ALGORITHM_ORDER: Final = ("sha512", "sha256", "sha1", "")
_AUTHORIZATION = re.compile(r"(?P<prefix>(?:bearer|basic|token) +)(?P<secret>.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HookProof:
    """A rule that proves the sender: an HMAC, Scalr's signature, or a shared token.

    `under`: the rules `or` and `not` around it.
    """

    kind: str
    at: str  # header | query
    name: str
    secret: str = field(repr=False)
    log: FindingLog = field(repr=False)
    algorithm: str = ""
    prefix: str = ""
    signed_headers: tuple[str, ...] = ()
    under: frozenset[str] = frozenset()

    @property
    def provider(self) -> str:
        """The provider whose source verifies it."""
        if self.kind == "token":
            is_gitlab = (self.at, self.name.lower()) == ("header", "x-gitlab-token")
            return "gitlab" if is_gitlab else "token"
        known_provider = KNOWN_HEADERS.get((self.name.lower(), self.algorithm))
        return (
            "hmac"
            if known_provider is None or self.at != "header" or self.signed_headers
            else known_provider
        )

    @property
    def scheme(self) -> tuple[object, ...]:
        """The scheme; proofs with the same one differ in their secrets only."""
        provider = self.provider
        if provider not in ("hmac", "token"):
            return (provider,)
        name = self.name.lower() if self.at == "header" else self.name
        return (
            provider,
            self.kind,
            self.at,
            name,
            self.algorithm,
            self.prefix,
            self.signed_headers,
        )


def read_hmac(
    keys: dict[str, Any], parameter: HookParameter, log: FindingLog, under: frozenset[str]
) -> HookProof:
    """Return the proof of an HMAC rule, or raise `NotCarried`."""
    at = {"header": "header", "url": "query", "query": "query"}.get(parameter.source)
    if at is None:
        raise NotCarried("the signature is neither in a header nor in the query")
    _check_name(at, parameter.name)
    headers = parameter.keys.get("headers-to-add-to-signature-payload", [])
    if not isinstance(headers, list) or not all(_is_header(header) for header in headers):
        raise NotCarried("headers-to-add-to-signature-payload is not a list of header names")
    algorithm = HMAC_RULES[keys["type"]]
    has_prefix = parameter.name.lower().startswith("x-hub-signature")
    return HookProof(
        "hmac",
        at,
        parameter.name,
        text_of(keys.get("secret", "")) or "",
        log,
        algorithm=algorithm,
        prefix=f"{algorithm}=" if has_prefix else "",
        signed_headers=tuple(headers),
        under=under,
    )


def _check_name(at: str, name: str) -> None:
    """Raise `NotCarried` for a name that `verify` cannot have."""
    is_usable = _is_header(name) if at == "header" else bool(name) and name.isprintable()
    if not is_usable or "${" in name or name != name.strip():
        raise NotCarried("the name of the header or query parameter cannot be used")


def _is_header(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-]+", value) is not None


def read_token(
    parameter: HookParameter, value: str, log: FindingLog, under: frozenset[str]
) -> HookProof | None:
    """Return the proof of a `value` rule that compares a credential, or None for another value."""
    at = {"header": "header", "url": "query", "query": "query"}.get(parameter.source)
    is_secret = at is not None and (
        compares_secret(at, parameter.name, value) or GETENV_MARK.fullmatch(value)
    )
    if at is None or not is_secret:
        return None
    _check_name(at, parameter.name)
    match = _AUTHORIZATION.fullmatch(value) if at == "header" else None
    return HookProof(
        "token",
        at,
        parameter.name,
        match["secret"] if match else value,
        log,
        prefix=match["prefix"] if match else "",
        under=under,
    )


def read_scalr(keys: dict[str, Any], log: FindingLog, under: frozenset[str]) -> HookProof:
    """Return the proof of a `scalr-signature` rule."""
    secret = text_of(keys.get("secret", "")) or ""
    return HookProof(
        "scalr",
        "header",
        "X-Signature",
        secret,
        log,
        algorithm="sha1",
        signed_headers=("Date",),
        under=under,
    )


def build_source(
    result: ImportResult, name: str, proofs: Sequence[HookProof], log: FindingLog
) -> tuple[dict[str, Any], bool]:
    """Return the source that verifies the proofs, and whether it proves less than the rules did.

    A source verifies one scheme: the strongest is used, and the others are reported.
    """
    if not proofs:
        log.doubt(
            "no rule verifies the sender, so anyone can send: the source is `insecure: true`, as it"
            " was; give it a secret if the sender can sign"
        )
        return {"provider": "hmac", "insecure": True, "dedup": "none"}, False
    strongest = min(proofs, key=_rank)
    used = [candidate for candidate in proofs if candidate.scheme == strongest.scheme]
    is_weaker = False
    for proof in proofs:
        if proof.scheme == strongest.scheme:
            _report_used(proof, name, strongest)
        elif "or" in proof.under:
            proof.log.refuse(
                f"a source verifies one scheme, here {_describe(strongest)}; requests that carry"
                f" only {_describe(proof)} are refused"
            )
        else:
            is_weaker = True
            proof.log.refuse(
                f"a source verifies one scheme, here {_describe(strongest)}; {_describe(proof)} is"
                " not verified"
            )
    return _write_source(result, name, strongest, used), is_weaker


def _rank(proof: HookProof) -> tuple[int, int]:
    return _KIND_ORDER.index(proof.kind), _ALGORITHM_ORDER.index(proof.algorithm)


def _describe(proof: HookProof) -> str:
    what = "the token" if proof.kind == "token" else "the signature"
    return f"{what} in the {'header' if proof.at == 'header' else 'query parameter'} {proof.name}"


def _report_used(proof: HookProof, name: str, strongest: HookProof) -> None:
    doubts = []
    if proof.under:
        doubts.append(
            f"it is under `{'` and `'.join(sorted(proof.under))}`; here every request must pass it"
        )
    if proof.provider == "github" and proof.algorithm == "sha1":
        doubts.append(
            "taken for GitHub, whose X-Hub-Signature-256 is verified with the same secret; for"
            " another sender, use `provider: hmac`"
        )
    if proof.provider == "hmac" and proof.kind == "hmac":
        doubts.append(
            f"written for a signature {'with' if proof.prefix else 'without'} `{proof.algorithm}=`"
            " before it; webhook accepts both"
        )
    if proof.kind == "scalr":
        doubts.append("webhook refuses a Date older than 300 s, and flowbridge does not read it")
    if not proof.secret or GETENV_MARK.search(proof.secret) or "{{" in proof.secret:
        doubts.append("the file has no value for the secret; set it in .env")
    text = f"verified by the source {name} (`provider: {strongest.provider}`), secret in .env"
    if doubts:
        proof.log.doubt("; ".join([text, *doubts]))
    else:
        proof.log.carry(text)


def _write_source(
    result: ImportResult, name: str, strongest: HookProof, used: Sequence[HookProof]
) -> dict[str, Any]:
    texts = list(dict.fromkeys(proof.secret for proof in used))
    if len(texts) > MAX_SOURCE_SECRETS:
        used[0].log.refuse(
            f"a source has at most {MAX_SOURCE_SECRETS} secrets, and the rules have"
            f" {pluralize(len(texts), 'secret')}; the others are left out"
        )
    variables = [_add_secret(result, name, text) for text in texts[:MAX_SOURCE_SECRETS]]
    source: dict[str, Any] = {"provider": strongest.provider}
    source |= {"secret": variables[0]} if len(variables) == 1 else {"secrets": variables}
    if strongest.provider not in ("hmac", "token"):
        return source
    verify: dict[str, Any] = {strongest.at: strongest.name}
    if strongest.prefix:
        verify["prefix"] = strongest.prefix
    if strongest.kind != "token":
        verify |= {"algorithm": strongest.algorithm, "encoding": "hex"}
    if strongest.signed_headers:
        verify["signed"] = "{body}" + "".join(
            f"{{h:{header}}}" for header in strongest.signed_headers
        )
    # webhook runs the command for each request, also for equal ones
    return source | {"verify": verify, "dedup": "none"}


def _add_secret(result: ImportResult, name: str, text: str) -> str:
    mark = GETENV_MARK.fullmatch(text)
    if mark is not None:
        result.secrets.setdefault(mark[1], None)
        return "${env:" + mark[1] + "}"
    is_template = bool(GETENV_MARK.search(text)) or "{{" in text
    return result.add_secret(secret_variable(name), None if is_template else text or None)
