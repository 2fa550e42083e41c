"""One row of the table of tools, and what its function gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from bridge.cli.agents.answer_cuts import CutAnswer, cut_answer
from bridge.cli.agents.proposals import SessionProposals
from bridge.cli.agents.tool_answers import ToolAnswer, mark_data
from bridge.cli.bridge.client import Bridge
from bridge.cli.remote.client import AdminClient
from bridge.core.model import JSON
from bridge.core.scopes import Scope
from bridge.core.text import pluralize
from bridge.services.records.json_schema import Schema

MAX_DATA_BYTES: Final = 40_000  # of JSON in an answer: some 10,000 tokens
FOR_PEOPLE: Final = "A person finds the whole record in the console, or with `flowbridge show`."


class Effect(Enum):
    """What a tool does to the bridge: whether it only reads, may destroy, and may be repeated."""

    READS = (True, False, True)
    PREPARES = (False, False, False)  # a proposal or a trial is stored, until it expires
    ACTS = (False, True, True)  # agreed to twice, a proposal is carried out once
    STOPS = (False, False, True)  # an operation can be resumed

    @property
    def is_read_only(self) -> bool:
        """Whether the tool changes nothing."""
        return self.value[0]

    @property
    def is_destructive(self) -> bool:
        """Whether the tool may change what cannot be changed back."""
        return self.value[1]

    @property
    def is_idempotent(self) -> bool:
        """Whether the same call again has no further effect."""
        return self.value[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """The bridge that a session asks, and the proposals of the session."""

    client: AdminClient
    bridge: Bridge
    make_boundary: Callable[[], str]
    proposals: SessionProposals = field(default_factory=SessionProposals)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTool:
    """One tool. `scope`: the token needs it. `run` gets arguments that `schema` allows."""

    name: str
    title: str
    description: str
    schema: Schema
    scope: Scope
    effect: Effect
    run: Callable[[ToolContext, Mapping[str, JSON]], ToolAnswer]


def answer_data(
    context: ToolContext,
    data: Mapping[str, JSON],
    *lead: str,
    rest: str = FOR_PEOPLE,
    skip: int = 0,
    continue_list: Callable[[CutAnswer], str] = lambda _: "",
    **values: JSON,
) -> ToolAnswer:
    """Return data of the bridge, cut to the size of an answer.

    `lead`: flowbridge's own sentences before it. `rest`: how to get what was cut. `continue_list`
    returns how to get the items behind those that are shown.
    """
    cut = cut_answer(data, MAX_DATA_BYTES, skip)
    sentences = [
        sentence for sentence in (*lead, *describe_cuts(cut, rest), continue_list(cut)) if sentence
    ]
    return mark_data(cut.data, sentences, context.make_boundary, **values)


def describe_cuts(cut: CutAnswer, rest: str) -> list[str]:
    """Return what was cut, in numbers alone."""
    if cut.is_whole:
        return ["Nothing was cut."]
    parts = []
    if cut.shown < cut.listed:
        parts.append(f"it has the first {cut.shown} of {cut.listed} items")
    if cut.texts:
        parts.append(pluralize(cut.texts, "text is shortened", "texts are shortened"))
    if cut.entries:
        parts.append(pluralize(cut.entries, "entry is left out", "entries are left out"))
    said = f"The answer was cut to {MAX_DATA_BYTES:,} bytes: {', '.join(parts)}."
    return [said, *([rest] if cut.texts or cut.entries else [])]
