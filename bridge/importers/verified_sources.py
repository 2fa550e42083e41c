"""Sources of other gateways: their verification, as the keys of a source. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.core.model import JSON, OWN_SOURCE_NAME
from bridge.importers.hook_proofs import KNOWN_HEADERS, build_source
from bridge.importers.model import FindingLog, ImportResult, choose_name, make_name
from bridge.services.project.env_file import secret_variable

HMAC_ALGORITHMS: Final = ("sha1", "sha256", "sha512")
HMAC_ENCODINGS: Final = ("hex", "base64", "base64url")
_HEADER: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_SET_IT: Final = "the file has no value for the secret; set it in .env"


@dataclass(frozen=True, slots=True)
class ImportedSource:
    """A source of the result. `is_open`: its verification proves less than in the other program, so
    its routes are paused.

    `is_typed`: its events have types that `on` can name.
    """

    name: str
    provider: str
    is_open: bool = False
    is_stopped: bool = False
    is_typed: bool = False


@dataclass(slots=True)
class SourceWriter:
    """Adds one source to the result."""

    result: ImportResult
    name: str
    log: FindingLog
    is_open: bool = False

    @classmethod
    def begin(cls, result: ImportResult, title: str, log: FindingLog) -> SourceWriter:
        """Return the writer of a source, under a free name."""
        name = choose_name(make_name(title, "source"), {*result.sources, OWN_SOURCE_NAME})
        log.at("name").doubt(f"the source {name}: change the URL at the sender to /hooks/{name}")
        result.sources[name] = {}
        return cls(result, name, log)

    def set_keys(self, keys: dict[str, Any]) -> None:
        """Set the keys of the source."""
        self.result.sources[self.name] = keys

    @property
    def keys(self) -> dict[str, Any]:
        """The keys of the source, as they are so far."""
        return self.result.sources[self.name]

    # -- how it verifies

    def verify_by_provider(self, provider: str, secret: JSON) -> None:
        """Let a provider of the catalog verify."""
        self.set_keys({"provider": provider, "secret": self._add_secret(secret, provider)})

    def verify_hmac(self, header: JSON, algorithm: JSON, encoding: JSON, secret: JSON) -> None:
        """Verify an HMAC of the body."""
        algorithm, encoding = str(algorithm).lower(), str(encoding).lower()
        is_usable = algorithm in HMAC_ALGORITHMS and encoding in HMAC_ENCODINGS
        if not isinstance(header, str) or not _HEADER.fullmatch(header) or not is_usable:
            self.refuse("the header, the algorithm or the encoding of the HMAC cannot be used")
            return
        provider = KNOWN_HEADERS.get((header.lower(), algorithm)) if encoding == "hex" else None
        if provider is not None:
            self.verify_by_provider(provider, secret)
            return
        verify = {"header": header, "algorithm": algorithm, "encoding": encoding}
        keys = {"secret": self._add_secret(secret, "hmac"), "verify": verify}
        self.set_keys({"provider": "hmac", **keys, "dedup": "none"})

    def verify_token(self, header: JSON, secret: JSON, prefix: str = "") -> None:
        """Verify a token in a header."""
        if not isinstance(header, str) or not _HEADER.fullmatch(header):
            self.refuse("the header of the token cannot be used")
            return
        verify = {"header": header, **({"prefix": prefix} if prefix else {})}
        keys = {"secret": self._add_secret(secret, "token"), "verify": verify}
        self.set_keys({"provider": "token", **keys, "dedup": "none"})

    def verify_password(self, user: JSON, password: JSON, provider: str = "basic") -> None:
        """Verify user and password."""
        is_known = isinstance(user, str) and isinstance(password, str) and bool(password)
        secret = f"{user}:{password}" if is_known else None
        keys = {"provider": provider, "secret": self._add_secret(secret, provider)}
        self.set_keys(keys | ({"dedup": "none"} if provider == "basic" else {}))

    def verify_nothing(self) -> None:
        """Accept requests from anyone, as before."""
        keys, _ = build_source(self.result, self.name, [], self.log)
        self.set_keys(keys)

    def refuse(self, message: str) -> None:
        """Add that the verification is not carried; the source refuses all until it is set up."""
        self.is_open = True
        self.log.refuse(f"{message}; set up `provider`, `verify` and the secret of {self.name}")
        self._verify_later()

    def fill_in(self) -> None:
        """Add that the file has no source; this one refuses all until it is set up."""
        self.log.doubt(
            f"to fill in: `provider`, `verify` and the secret of {self.name}, which the file does"
            " not have; until then it refuses all requests"
        )
        self._verify_later()

    def _verify_later(self) -> None:
        secret = self.result.add_secret(secret_variable(self.name), None)
        verify = {"header": "Authorization"}
        self.set_keys({"provider": "token", "verify": verify, "secret": secret, "dedup": "none"})

    def _add_secret(self, secret: JSON, provider: str) -> str:
        value = secret if isinstance(secret, str) and secret else None
        text = f"verified by the source {self.name} (`provider: {provider}`), secret in .env"
        if value is None:
            self.log.doubt(f"{text}; {_SET_IT}")
        else:
            self.log.carry(text)
        return self.result.add_secret(secret_variable(self.name), value)


@dataclass(slots=True)
class FileSources:
    """The sources of one file, each of which is read once: several routes may share one.

    `id_key`: the key of a source that has its id. `read` reads the keys of one.
    """

    result: ImportResult
    id_key: str
    read: Callable[[SourceWriter, dict[str, Any]], ImportedSource]
    _found: dict[str, ImportedSource] = field(default_factory=dict)

    def find(self, keys: Any, default_name: str, log: FindingLog, id_: str = "") -> ImportedSource:
        """Return a source.

        `default_name`: a name where it has none; `id_`: its id where it has none.
        """
        if not isinstance(keys, dict):
            keys = {}
        name = keys.get("name")
        source_id = str(keys.get(self.id_key) or id_ or name or "")
        if source_id in self._found:
            log.carry(f"the source {self._found[source_id].name}")
            return self._found[source_id]
        title = name if isinstance(name, str) and name else default_name
        source = self.read(SourceWriter.begin(self.result, title, log), keys)
        if source_id:
            self._found[source_id] = source
        return source


def report_unused(
    keys: dict[str, Any], log: FindingLog, *, meta: frozenset[str], read: frozenset[str], by: str
) -> None:
    """Report the keys of an object: `meta` matter to the other program only, and others that are
    not `read` have no counterpart.
    """
    used = [key for key in keys if key in meta]
    if used:
        log.carry(f"only {by} uses {', '.join(used)}")
    for key, value in keys.items():
        if key in meta or key in read:
            continue
        if value in (None, "", False) or value in ([], {}):
            log.at(key).carry("it is empty")
        else:
            log.at(key).refuse("it has no counterpart")
