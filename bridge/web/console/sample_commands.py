"""The commands that send a signed sample to a source of the present configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.core.advice import Advice, Command, advise, name_command
from bridge.providers.signatures.pairs import is_pair
from bridge.routing.model import Config, Source
from bridge.services.samples.signing import live_secrets

MAX_SHOWN_SAMPLES: Final = 6


def list_sample_commands(source: Source, base_url: str = "", **options: str) -> Sequence[Command]:
    """Return the commands that send a signed sample; none where it cannot be signed.

    `base_url`: the bridge to send it to; without one, that of the project. `options`: more of the
    command's own.
    """
    if source.provider.learn is not None or lacks_secret(source):
        return []
    made_up = {"made_up": True} if is_pair(source.scheme) else {}
    return [
        name_command("sample", source.name, sample.type, to=base_url or True, **made_up, **options)
        for sample in source.provider.samples[:MAX_SHOWN_SAMPLES]
    ]


def lacks_secret(source: Source) -> bool:
    """Return whether a source has no secret that signs a sample."""
    return source.scheme.needs_secret and not is_pair(source.scheme) and not live_secrets(source)


def suggest_first_step(config: Config, *, forges: bool = False) -> Advice:
    """Return how to get a first record: a sample for a source, or the command that adds a source.

    `forges`: a sample that must be refused. Sources that need the sender's own key pair come last.
    """
    sources = sorted(
        (source for source in config.sources.values() if not (forges and source.is_public)),
        key=lambda source: is_pair(source.scheme),
    )
    tamper = {"tamper": "body"} if forges else {}
    commands = (command for source in sources for command in list_sample_commands(source, **tamper))
    command = next(commands, None)
    if command is None and any(map(lacks_secret, sources)):
        return advise("Set the secrets of the sources in .env first: ", name_command("check"))
    if command is None:
        return advise("Add a source first: ", name_command("add", "github"))
    if forges:
        return advise("Send a sample that must fail: ", command)
    return advise("Send a signed sample: ", command)
