"""Send a sample, print the bridge's answer, and print what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridge.cli.ui import output
from bridge.services.samples.answers import (
    SampleResult,
    judge_answer,
    judge_replay,
    send_sample,
)

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.http_messages import Answer, Request
    from bridge.services.samples.forgeries import Signer


def send_and_explain(
    request: Request, signer: Signer, settings: Settings, *, is_forged: bool
) -> int:
    """Send the request, print what its answer means, and return the exit code."""
    answer = _send(request, accepts=not is_forged)
    return _print(judge_answer(answer, request, signer, settings, is_forged=is_forged))


def send_twice(request: Request, signer: Signer) -> int:
    """Send the request twice, print whether the second is the same event, and return the exit
    code.
    """
    first = _send(request, accepts=True)
    second = _send(request, accepts=True)
    return _print(judge_replay(first, second, request, signer))


def _print(result: SampleResult) -> int:
    for sentence in result.sentences:
        output.say(output.clean(sentence))
    return 0 if result.is_expected else 1


def _send(request: Request, *, accepts: bool) -> Answer:
    """Send the request and print the answer, green where it is as expected."""
    answer, milliseconds = send_sample(request)
    is_fine = (answer.status // 100 == 2) == accepts
    status = click.style(str(answer.status), fg="green" if is_fine else "red")
    body = output.clean(answer.body.decode("utf-8", "replace").strip())
    click.echo(f"{status}  {body}  ({milliseconds:.0f} ms)")
    return answer
