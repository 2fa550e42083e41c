"""An examination of a running bridge: signed samples and forgeries of them, as dry requests."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from bridge.core.advice import name_command
from bridge.core.errors import BridgeError
from bridge.core.http_messages import Answer, Call, Request
from bridge.core.units import MIB
from bridge.providers.signatures.locations import signs_url
from bridge.providers.signatures.pairs import is_pair
from bridge.services.bridge_checks.findings import FORGED, GOOD, CheckFinding, find_untried
from bridge.services.bridge_checks.reachability import (
    ask_bridge,
    check_public_url,
    check_reachability,
)
from bridge.services.samples.forgeries import FORGERIES, Signer, forge
from bridge.services.samples.replay import REPLAY, describe_expected
from bridge.services.samples.signing import live_secrets, redirect_request, signed_url

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Source
    from bridge.system.http_client import HttpClient


@dataclass(frozen=True, slots=True)
class DryRuns:
    """The protocol of dry requests: the header, its token by secret key and source, and the value
    of the header in the answer.

    `changes`: yields the differences between a sent request and the report of the bridge.
    """

    header: str
    done: str
    token: Callable[[str, str], str]
    changes: Callable[..., Iterable[str]]


@dataclass(frozen=True, slots=True)
class Examination:
    """An examination of the bridge at `target` with the sources of `settings`."""

    sender: HttpClient
    target: str
    settings: Settings
    dry_runs: DryRuns

    def run(self, sources: list[Source]) -> Iterator[CheckFinding]:
        """Yield all findings.

        Raises `BridgeError` where the bridge cannot be reached, or does not accept dry requests
        signed with this secret key.
        """
        yield from self._reach()
        for source in sources:
            untried = find_untried(
                source.name, source.provider.name, source.missing, is_public=source.is_public
            )
            if untried is not None:
                yield untried
                continue
            if not source.secrets:
                what = "not learned yet" if source.provider.learn else "published by the sender"
                yield CheckFinding(
                    "verified",
                    source.name,
                    "-",
                    f"its key is {what}, so no sample can be signed here",
                )
                continue
            yield from self._try_source(source)
        signed = (source for source in sources if source.secrets and source.missing is None)
        if (largest := max(signed, key=lambda source: source.max_body, default=None)) is not None:
            yield self._check_size(largest)

    def _reach(self) -> Iterator[CheckFinding]:
        try:
            yield from check_reachability(self.sender, self.target)
        except BridgeError as error:
            if self.target != (self.settings.public_url or "").rstrip("/"):
                raise
            raise BridgeError(
                f"{error}. Next: check FLOWBRIDGE_PUBLIC_URL, its DNS name and the proxy; without"
                f" them: {name_command('doctor', to=self.settings.bound_url)}"
            ) from None
        yield from check_public_url(self.settings.public_url)

    def _try_source(self, source: Source) -> Iterator[CheckFinding]:
        """Send forgeries and then a good sample to one source.

        A forgery comes first: its answer shows whether the bridge accepts dry requests, before a
        good request could leave an event behind.
        """
        from bridge.providers.samples.loader import sample

        signer = _choose_signer(source)
        if isinstance(signer, CheckFinding):
            yield signer
            return
        now = time.time()
        request = sample(
            source.provider.name,
            None,
            now=now,
            new_id=secrets.token_hex(8),
            path=f"/hooks/{source.name}",
            url=signed_url(self.settings, self._url(source)),
        )
        try:
            good = source.scheme.sign(request, signer.secret, now)
        except ValueError as error:
            yield CheckFinding(
                GOOD, source.name, "warning", f"no sample can be signed here: {error}"
            )
            return
        yield from self._try_forgeries(source, signer, request, now)
        yield self._try_good(source, good)
        yield self._replayed(signer, good)

    def _try_forgeries(
        self, source: Source, signer: Signer, request: Request, now: float
    ) -> Iterator[CheckFinding]:
        for kind in ("header", *(kind for kind in FORGERIES if kind != "header")):
            try:
                forgery = forge(signer, request, kind, now)
            except ValueError as reason:
                yield CheckFinding(f"{FORGED}{kind}", source.name, "-", str(reason))
                continue
            answer = self._send_sample(forgery, source)
            fine = answer.status == 401
            outcome = "refused (401)" if fine else f"answered {answer.status}, not 401"
            yield CheckFinding(f"{FORGED}{kind}", source.name, "ok" if fine else "error", outcome)

    def _try_good(self, source: Source, good: Request) -> CheckFinding:
        answer = self._send_sample(good, source)
        if answer.status // 100 == 2:
            return CheckFinding(GOOD, source.name, "ok", f"accepted ({answer.status})")
        why = self._explain(source, good, answer)
        return CheckFinding(GOOD, source.name, "error", f"answered {answer.status}: {why}")

    def _url(self, source: Source) -> str:
        return f"{self.target}/hooks/{source.name}"

    def _send_sample(self, request: Request, source: Source) -> Answer:
        """Send a sample, signed for the public URL, to the URL of its source at the target."""
        url = self._url(source)
        return self._send(redirect_request(request, signed_url(self.settings, url), url), source)

    def _explain(self, source: Source, good: Request, answer: Answer) -> str:
        """Return why a correctly signed request was refused, by the bridge's report of it."""
        try:
            came = orjson.loads(answer.body).get("arrived")
        except (orjson.JSONDecodeError, AttributeError):
            came = None
        if came is None:
            return "the answer gives no reason"
        changes = "; ".join(self.dry_runs.changes(good, came, signs_url=signs_url(source.scheme)))
        return (
            f"on the way {changes}"
            if changes
            else (
                "it arrived unchanged, so the running bridge has another secret or another"
                " routes.yaml"
            )
        )

    def _replayed(self, signer: Signer, good: Request) -> CheckFinding:
        """Return the command that tries a replay, or that a copy would not be recognized.

        A copy is recognized by the stored first one, and a dry request is not stored.
        """
        try:
            describe_expected(signer, good)
        except ValueError as reason:
            return CheckFinding(REPLAY, signer.source, "-", str(reason))
        how = name_command("sample", signer.source, to=self.target, tamper="replay")
        return CheckFinding(
            REPLAY,
            signer.source,
            "-",
            f"not tested, since dry runs are not stored; to test it: {how}",
        )

    def _send(self, request: Request, source: Source) -> Answer:
        """Send a dry request; `BridgeError` where it is not answered as one."""
        token = self.dry_runs.token(self.settings.secret_key, source.name)
        header = self.dry_runs.header.lower()
        headers = {**request.headers, header: token}
        answer = ask_bridge(
            self.sender, Call(method="POST", url=request.url, headers=headers, body=request.body)
        )
        if answer.headers.get(header) != self.dry_runs.done and answer.status != 413:
            raise BridgeError(
                f"{request.url} answers {answer.status} and does not accept dry runs: it has"
                " not reloaded routes.yaml yet (wait two seconds), has another"
                " FLOWBRIDGE_SECRET_KEY (or <data>/secret_key), another routes.yaml or an older"
                " flowbridge, or a proxy answers instead. Nothing more was sent."
            )
        return answer

    def _check_size(self, source: Source) -> CheckFinding:
        """Send the largest allowed body: a proxy may refuse it first."""
        path = f"/hooks/{source.name}"
        request = Request(
            method="POST",
            path=path,
            headers={"content-type": "text/plain"},
            body=b"x" * source.max_body,
            url=self.target + path,
        )
        mib = f"{source.max_body / MIB:.0f} MiB"
        try:
            answer = self._send(request, source)
        except BridgeError as error:
            return CheckFinding(
                "largest body",
                source.name,
                "error",
                f"a body of {mib} (max_body) does not get through: {error}",
            )
        if answer.status == 413:
            refusal = (
                f"a proxy refuses {mib} (max_body): raise its limit (client_max_body_size in nginx)"
            )
            return CheckFinding("largest body", source.name, "error", refusal)
        return CheckFinding(
            "largest body", source.name, "ok", f"a body of {mib} (max_body) gets through"
        )


def _choose_signer(source: Source) -> Signer | CheckFinding:
    """Return a signer with a secret of a source, or the finding that says why there is none."""
    live = live_secrets(source)
    if not live:
        return CheckFinding(
            "verified",
            source.name,
            "error",
            "all of its secrets have expired (not_after), so every request is refused",
        )
    secret = next((candidate for candidate in live if not is_pair(source.scheme, candidate)), None)
    if secret is None:
        return CheckFinding(
            "verified",
            source.name,
            "-",
            "only the sender has the private key, so no sample can be signed here",
        )
    return Signer(source.name, source.provider, source.scheme, secret, configured=source)
