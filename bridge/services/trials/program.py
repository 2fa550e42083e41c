"""Program that evaluates one trial or check: reads messages on stdin, writes the result to stdout.

See `bridge.services.trials.runner`.
"""

from __future__ import annotations

import codecs
import os
import pickle
import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import BinaryIO, Final
from zoneinfo import ZoneInfo, available_timezones

from bridge.core.model import Event
from bridge.ingest.forms.charsets import CODECS
from bridge.providers.event_types.loader import documented_types
from bridge.providers.registry import PROVIDERS
from bridge.providers.samples.loader import load_samples
from bridge.services.trials.evaluation import evaluate
from bridge.services.trials.messages import (
    MEMORY_EXIT_CODE,
    TRIAL_LIMITS,
    FirstMessage,
    GivenText,
    Message,
    TrialConfigs,
    TrialDetails,
)
from bridge.system import seccomp
from bridge.system.process_limits import limit_process

PACKAGES: Final = tuple(f"bridge.{name}" for name in ("core", "providers", "routing", "ingest"))
#: Modules that those packages, or libraries, import in a function.
LATE_MODULES: Final = (
    "cryptography.hazmat.primitives.asymmetric.ec",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.asymmetric.padding",
    "cryptography.hazmat.primitives.asymmetric.rsa",
    "cryptography.hazmat.primitives.serialization",
    "cryptography.x509.verification",
    "idna.uts46data",
    "joserfc.jwk",
    "joserfc.jws",
    "referencing.jsonschema",
)
#: A configuration and an event that use libraries which load their own files at the first use.
FIRST_TEXT: Final = """\
version: 1
platforms: {local: {type: local}}
sources:
  form: {provider: form, schema: {type: object, properties: {mail: {type: string, format: email}}}}
  github: {provider: github, secret: "${env:SECRET}"}
routes:
  - name: first
    on: github
    match: {body.a: {regex: '^b'}, when: body.a == 'b'}
    payload_schema: {type: object, patternProperties: {"^a": {type: string, format: idn-hostname}}}
    inputs: {a: "${format_time(now(), '%Y', 'Europe/Berlin')} ${money(body.n, 'EUR')}"}
    inputs_schema: {type: object, $ref: "#/$defs/a", $defs: {a: {required: [b]}}}
    flow: local/echo
"""


def main() -> None:
    """Evaluate the trial or check that stdin describes. On an error there is no output."""
    limit_process(TRIAL_LIMITS)
    loaded = load_modules()
    try:
        seccomp.install_filter()
        result = _evaluate(sys.stdin.buffer)
        sys.stdout.buffer.write(result)
        sys.stdout.flush()
    except MemoryError:
        os._exit(MEMORY_EXIT_CODE)
    del loaded
    os._exit(0)


def load_modules() -> list[ZoneInfo]:
    """Import all that an evaluation may need: behind the fence, no file can be read.

    The returned time zones stay in the cache of the library while they are referenced.
    """
    for package in PACKAGES:
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            import_module(module.name)
    for name in LATE_MODULES:
        import_module(name)
    for name in CODECS.values():
        codecs.lookup(name)
    load_samples()
    for provider, row in PROVIDERS.items():
        if row.event_types is not None:
            documented_types(provider)
    zones = [ZoneInfo(name) for name in available_timezones()]
    first = Event(
        id="first",
        source="github",
        provider="github",
        type="issues",
        provider_id=None,
        received_at=0.0,
        headers={"content-type": "application/json"},
        query_string="",
        body=b'{"a":"b","n":100}',
        body_sha256="",
        config_hash="",
    )
    text = GivenText(FIRST_TEXT)
    details = TrialDetails(event_id=first.id, expression="body.a")
    evaluate(TrialConfigs(text, text, explains=True, details=details), [first])
    return zones


def _evaluate(source: BinaryIO) -> bytes:
    messages = _read(source)
    first = next(messages)
    if not isinstance(first, FirstMessage):
        raise TypeError("the first message has the configurations")
    return evaluate(first, messages)


def _read(source: BinaryIO) -> Iterator[Message]:
    while (message := pickle.load(source)) is not None:  # noqa: S301 - our own process wrote it
        yield message
