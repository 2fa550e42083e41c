"""The commands that send a signed sample to a source of the present configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from bridge.providers.signatures.pairs import is_pair
from bridge.routing.model import Config, Source
from bridge.services.samples.signing import live_secrets

MAX_SHOWN_SAMPLES: Final = 6


class FirstStep(NamedTuple):
    """What an empty list advises: a sentence, and the command that it introduces."""

    text: str
    command: str


def list_sample_commands(source: Source, base_url: str = "") -> Sequence[str]:
    """Return the commands that send a signed sample; none where it cannot be signed.

    `base_url`: the bridge to send it to; without one, that of the project.
    """
    if source.provider.learn is not None or lacks_secret(source):
        return []
    to = f" {base_url}" if base_url else ""
    made_up = " --made-up" if is_pair(source.scheme) else ""
    return [
        f"flowbridge sample {source.name} {sample.type} --to{to}{made_up}"
        for sample in source.provider.samples[:MAX_SHOWN_SAMPLES]
    ]


def lacks_secret(source: Source) -> bool:
    """Return whether a source has no secret that signs a sample."""
    return source.scheme.needs_secret and not is_pair(source.scheme) and not live_secrets(source)


def suggest_first_step(config: Config, *, forges: bool = False) -> FirstStep:
    """Return how to get a first record: a sample for a source, or the command that adds a source.

    `forges`: a sample that must be refused. Sources that need the sender's own key pair come last.
    """
    sources = sorted(
        (source for source in config.sources.values() if not (forges and source.is_public)),
        key=lambda source: is_pair(source.scheme),
    )
    commands = (command for source in sources for command in list_sample_commands(source))
    command = next(commands, None)
    if command is None and any(map(lacks_secret, sources)):
        return FirstStep("Set the secrets of the sources in .env first:", "flowbridge check")
    if command is None:
        return FirstStep("Add a source first:", "flowbridge add github")
    if forges:
        return FirstStep("Send a sample that must fail:", f"{command} --tamper body")
    return FirstStep("Send a signed sample:", command)
