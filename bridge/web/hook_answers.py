"""The answers to requests under /hooks, by the kind of request: webhook, dry run or form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from bridge.core.errors import Refused
from bridge.ingest.receive import Received
from bridge.providers.model import Reply
from bridge.routing.model import Source
from bridge.web import dry_run
from bridge.web.dry_run_effects import DryRunEffects
from bridge.web.effects import HookEffects
from bridge.web.forms.hidden_fields import MakeAntiSpamFields
from bridge.web.forms.refusals import answer_refused
from bridge.web.forms.request import FormRequest
from bridge.web.forms.responses import answer_received
from bridge.web.hook_messages import HookAnswer, answer_refusal, answer_reply, answer_response
from bridge.web.hook_records import record_refusal


class HookAnswers(Protocol):
    """Makes the answers to one request."""

    def answer_received(self, received: Received) -> HookAnswer:
        """Return the answer to a request that is received."""

    def answer_refused(self, refused: Refused) -> HookAnswer:
        """Return the answer to a request that is refused."""


@dataclass(frozen=True, slots=True)
class WebhookAnswers:
    """Answers a webhook as its sender requires."""

    source: Source

    def answer_received(self, received: Received) -> HookAnswer:
        """Return the reply."""
        return answer_reply(received.reply)

    def answer_refused(self, refused: Refused) -> HookAnswer:
        """Return the refusal as JSON, or without a body where the sender requires that."""
        if refused.status == 401 and self.source.provider.bare_refusal:
            return answer_reply(Reply(401, "text/plain"))
        return answer_refusal(refused)


@dataclass(frozen=True, slots=True)
class DryRunAnswers:
    """Answers a dry run: marked as one, and with a description of a request that is refused."""

    effects: DryRunEffects

    def answer_received(self, received: Received) -> HookAnswer:
        """Return the reply that a live request would get."""
        return answer_reply(received.reply, {dry_run.HEADER: dry_run.DONE})

    def answer_refused(self, refused: Refused) -> HookAnswer:
        """Return the refusal as JSON."""
        refused.headers |= {dry_run.HEADER: dry_run.DONE}
        return answer_refusal(refused, self.effects.said)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormAnswers:
    """Answers a submission with a page, a redirect, or JSON for a script."""

    source: Source
    asking: FormRequest
    effects: HookEffects
    parts: MakeAntiSpamFields

    def answer_received(self, received: Received) -> HookAnswer:
        """Return the answer to a submission that is stored."""
        response = answer_received(received, self.source, self.asking)
        return answer_response(self.asking.allow_reading(response), self.asking.request.method)

    def answer_refused(self, refused: Refused) -> HookAnswer:
        """Record a refusal, and return its answer."""
        record_refusal(self.source, self.effects, refused)
        asking = replace(self.asking, sent=self.effects.submission)
        response = answer_refused(refused, self.source, asking, self.parts)
        return answer_response(self.asking.allow_reading(response), self.asking.request.method)
