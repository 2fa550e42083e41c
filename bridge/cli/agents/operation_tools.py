"""The tools that act: a proposal with its count first, then the agreement to exactly that one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from bridge.api.resources.operations import OPERATION_BODY
from bridge.cli.agents.agent_tool import AgentTool, Effect, ToolContext, answer_data
from bridge.cli.agents.reading_tools import find_endpoint
from bridge.cli.agents.tool_answers import ToolAnswer
from bridge.cli.bridge.request_parts import quote_id
from bridge.core.model import JSON
from bridge.core.timings import TIMINGS
from bridge.services.operations.commands import COMMANDS, OperationCommand, count_items, find_words
from bridge.services.records.json_record import expect_shape
from bridge.services.records.json_schema import Schema
from bridge.services.records.operation_records import count_expected

PROPOSE_ENDPOINT: Final = find_endpoint("POST", "/operations")
#: Keys of the request that are the server's part of the safety, not the agent's choice.
OWN_KEYS: Final = ("mode", "expect")
ITEMS: Final = "list_operation_items returns all items of the proposal."
MINUTES: Final = round(TIMINGS.proposal_seconds / 60)
_PROPOSAL_ID: Final[Schema] = {
    "type": "object",
    "properties": {
        "proposal_id": {
            "type": "string",
            "description": "The exact `proposal_id` that propose_operation answered.",
            "minLength": 1,
            "maxLength": 200,
        }
    },
    "required": ["proposal_id"],
    "additionalProperties": False,
}


def build_operation_tools() -> Iterator[AgentTool]:
    """Yield the tools that act."""
    yield AgentTool(
        name="propose_operation",
        title="Propose an operation (dry run)",
        description=_describe_proposing(),
        schema=_build_request_schema(),
        scope=PROPOSE_ENDPOINT.scope,
        effect=Effect.PREPARES,
        run=_propose,
    )
    for name, word, effect, title, description in (
        (
            "agree_to_proposal",
            "agree",
            Effect.ACTS,
            "Carry out a proposal",
            "Carries out a proposal: exactly the items that were counted, once. A worker of the"
            " bridge does so; show_operation has its progress. Only a proposal that"
            f" propose_operation made in this session, at most {MINUTES} minutes ago, is accepted."
            " Ask the person first, with the count.",
        ),
        (
            "stop_operation",
            "stop",
            Effect.STOPS,
            "Stop an operation",
            "Stops an operation that this session proposed and agreed to, after the batch that is"
            " being carried out. What is done stays done.",
        ),
    ):
        endpoint = find_endpoint("POST", f"/operations/{{id}}/{word}")
        yield AgentTool(
            name=name,
            title=title,
            description=description,
            schema=_PROPOSAL_ID,
            scope=endpoint.scope,
            effect=effect,
            run=partial(_change_own, word),
        )


def _describe_proposing() -> str:
    lines = map(_describe_command, COMMANDS.values())
    return "\n".join(
        (
            "Counts the items of an operation and stores them as a proposal. Nothing else happens:"
            f" the proposal expires after {MINUTES} minutes unless agree_to_proposal is called with"
            " its id. Pass either `ids` or `filters`, which are those of list_deliveries or"
            " list_events. Commands:",
            *lines,
        )
    )


def _describe_command(command: OperationCommand) -> str:
    effects = [
        f"{place}{words.effect}"
        for place, words in (
            ("", command.words),
            ("By ids of deliveries: ", command.of_deliveries),
            *((f"`how.to` {to}: ", words) for to, words in command.outcomes.items()),
        )
        if words is not None
    ]
    filters = (
        "" if command.filters is None else f"; filters: {', '.join(command.filters) or 'none'}"
    )
    options = ", ".join(command.options)
    return (
        f"- {command.name}: {' '.join(effects)} Items: {command.items}; `how`: {options}{filters}"
    )


def _build_request_schema() -> Schema:
    whole = OPERATION_BODY.schema
    properties = {
        name: schema for name, schema in whole["properties"].items() if name not in OWN_KEYS
    }
    required = [name for name in whole["required"] if name not in OWN_KEYS]
    return {**whole, "properties": properties, "required": required}


def _propose(context: ToolContext, arguments: Mapping[str, JSON]) -> ToolAnswer:
    command = str(arguments["command"])
    counted = context.bridge.post("/operations", {**arguments, "mode": "dry_run"})
    with expect_shape():
        is_empty = not counted["examples"]
    if is_empty:
        said = "Nothing matches, so no proposal was made. `left_out` and `problems` say why."
        return answer_data(context, counted, said, proposal_id=None, count=0)
    proposed = context.bridge.post("/operations", {**arguments, "mode": "propose"})
    with expect_shape():
        id_ = str(proposed["id"])
        count = count_expected(proposed)
        went = int(proposed["went_already"])
        items = count_items(command, count, [str(id_) for id_ in proposed["examples"]])
        is_noted = bool(proposed.get("notes"))  # a bridge of an earlier version has none
    context.proposals.add(id_)
    again = f" {went} of them started a flow before." if went else ""
    unchecked = " `notes` say what could not be checked." if is_noted else ""
    said = (
        f"Proposal {id_}: {items} to {find_words(command).verb}.{again}"
        f"{unchecked}"
        " Nothing has happened yet. Show the count, the routes and the examples to the person you"
        f" work for. If they agree, call agree_to_proposal with this id within {MINUTES} minutes."
    )
    return answer_data(context, proposed, said, rest=ITEMS, proposal_id=id_, count=count)


def _change_own(word: str, context: ToolContext, arguments: Mapping[str, JSON]) -> ToolAnswer:
    id_ = str(arguments["proposal_id"])
    context.proposals.require(id_)
    reply = context.bridge.post(f"/operations/{quote_id(id_)}/{word}", None)
    with expect_shape():
        state = str(reply["state"])
    said = {
        "agree": f"Agreed. Ask show_operation with the id {id_} until `state` is `done`.",
        "stop": "The operation was asked to stop.",
    }[word]
    return answer_data(context, reply, said, proposal_id=id_, state=state)
