"""Turn the Webhook nodes of an n8n workflow into sources and routes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.core.errors import CompileError, InvalidRequest
from bridge.core.model import OWN_SOURCE_NAME
from bridge.importers.document_reader import read_document
from bridge.importers.hook_proofs import HookProof, build_source
from bridge.importers.hook_references import NotCarried
from bridge.importers.model import FindingLog, ImportResult, choose_name, make_name
from bridge.importers.n8n_actions import N8nAction, add_action, read_action, read_fields
from bridge.importers.n8n_conditions import read_conditions
from bridge.importers.n8n_expressions import N8nItem
from bridge.importers.n8n_nodes import N8nNode, N8nWorkflow, read_nodes
from bridge.importers.n8n_outcomes import NodeOutputs
from bridge.importers.rule_clauses import (
    FALSE,
    TRUE,
    Condition,
    both,
    write_match,
)
from bridge.services.project.env_file import secret_variable

WEBHOOK_TYPE: Final = "n8n-nodes-base.webhook"
IF_TYPE: Final = "n8n-nodes-base.if"
SET_TYPE: Final = "n8n-nodes-base.set"
CONDITION_TYPES: Final = frozenset({IF_TYPE, "n8n-nodes-base.filter"})
NOTE_TYPES: Final = frozenset({"n8n-nodes-base.stickyNote", "n8n-nodes-base.noOp"})
MAX_BRANCHES: Final = 50  # of one Webhook node
MAX_CHAINED_CONDITIONS: Final = 8
MAX_ROUTES: Final = 1000  # after which nodes share a flow
MAX_TITLE_CHARS: Final = 80  # of a node's name in a comment
#: Keys of a workflow that only its editor uses.
EDITOR_KEYS: Final = frozenset(
    (
        "name",
        "id",
        "meta",
        "tags",
        "active",
        "versionId",
        "activeVersionId",
        "createdAt",
        "updatedAt",
        "isArchived",
        "description",
        "shared",
        "triggerCount",
        "versionCounter",
    )
)
EDITOR_SETTINGS: Final = frozenset(
    {"executionOrder", "callerPolicy", "binaryMode", "availableInMCP"}
)
NODE_KEYS: Final = frozenset(
    (
        "parameters",
        "id",
        "name",
        "type",
        "typeVersion",
        "position",
        "webhookId",
        "credentials",
        "disabled",
        "notes",
        "notesInFlow",
    )
)


@dataclass(slots=True)
class N8nBranch:
    """The branch behind one output: its condition, the nodes that do the work, what these read, and
    a line that names the branch.

    `reasons`: why nodes are not carried, by name.
    """

    condition: Condition
    nodes: list[str]
    item: N8nItem
    title: str = ""
    reasons: dict[str, str] = field(default_factory=dict)


def import_workflow(name: str, text: str, result: ImportResult) -> None:
    """Add the Webhook nodes of a workflow to `result`; `InvalidRequest` where it is none."""
    document = read_document(name, text)
    if not isinstance(document, dict) or not isinstance(document.get("nodes"), list):
        raise InvalidRequest(f"{name}: a workflow of n8n is an object with `nodes`")
    log = FindingLog(result, name, "workflow")
    workflow = read_nodes(document, log)
    webhooks = [node for node in workflow.nodes.values() if node.type == WEBHOOK_TYPE]
    for node in webhooks:
        _Webhook(result, workflow, node, log.at("nodes", node.number)).convert()
    _report_rest(document, workflow)


@dataclass(slots=True)
class _Webhook:
    """Converts one Webhook node."""

    result: ImportResult
    workflow: N8nWorkflow
    node: N8nNode
    log: FindingLog
    proofs: list[HookProof] = field(default_factory=list)
    outputs: dict[str, NodeOutputs | None] = field(default_factory=dict)  # of IF and Filter nodes
    flows: dict[str, str] = field(default_factory=dict)  # of nodes that a route replaces
    is_open: bool = False

    def convert(self) -> None:
        self.workflow.reached.add(self.node.name)
        if self.node.keys.get("disabled") is True:
            self.log.refuse("the node is disabled")
            return
        path = self.node.parameters.get("path")
        base_name = path if isinstance(path, str) and path else self.node.name
        name = choose_name(make_name(base_name, "webhook"), {*self.result.sources, OWN_SOURCE_NAME})
        self.log.at("parameters", "path").doubt(
            f"the source {name}: change the URL at the sender to /hooks/{name}"
        )
        self.log.carry(f"the source {name}")
        branches = self._follow(self.node.name, TRUE, 0)
        source = self._authenticate(name)
        self._read_parameters()
        self.result.sources[name] = source
        for branch in branches:
            self._add_routes(name, branch)
        if not branches:
            self.log.refuse("no node follows it, so it has no route")

    # -- the nodes behind it

    def _follow(
        self, name: str, condition: Condition, depth: int, title: str = ""
    ) -> list[N8nBranch]:
        """Return the branches behind a node; IF and Filter nodes straight behind are conditions."""
        all_branches: list[N8nBranch] = []
        for number, targets in enumerate(self.workflow.outputs.get(name, [])):
            here = condition if name == self.node.name else self._output(name, number, condition)
            said = self._extend_title(title, name, number)
            work = N8nBranch(here, [], N8nItem(self.node.name), said)
            edited: list[N8nBranch] = []
            for target in targets:
                node = self.workflow.nodes.get(target)
                if node is not None and self._is_condition(node, depth):
                    self.workflow.reached.add(target)
                    all_branches += self._follow(target, here, depth + 1, said)
                elif node is not None and node.type == SET_TYPE:
                    edited += self._edit(node, work)
                elif node is not None:
                    work.nodes.append(target)
            branches = [*edited, *([work] if work.nodes else [])]
            if here != FALSE:
                all_branches += branches[: max(MAX_BRANCHES - len(all_branches), 0)]
        return all_branches

    def _extend_title(self, title: str, name: str, number: int) -> str:
        """Return the line that names a branch: the outputs of IF nodes that lead to it."""
        node = self.workflow.nodes.get(name)
        if node is None or node.type != IF_TYPE or number > 1:
            return title
        side = "true" if number == 0 else "false"
        said = f'the {side} branch of the node "{name[:MAX_TITLE_CHARS]}"'
        return f"{title}, then {said}" if title else said

    def _edit(self, node: N8nNode, work: N8nBranch) -> list[N8nBranch]:
        """Return the branch behind an Edit Fields (Set) node, or leave the node to `work`."""
        try:
            if node.keys.get("disabled") is True:
                raise NotCarried("the node is disabled")
            item = read_fields(node, work.item)
        except NotCarried as error:
            work.nodes.append(node.name)
            work.reasons[node.name] = str(error)
            return []
        self.workflow.reached.add(node.name)
        log = self.workflow.log.at("nodes", node.number)
        log.carry(f"the fields of the node {node.name}; each keeps the type of its value")
        outputs = self.workflow.outputs.get(node.name, [])
        targets = [name for output in outputs for name in output if name in self.workflow.nodes]
        return [N8nBranch(work.condition, targets, item, work.title)]

    def _is_condition(self, node: N8nNode, depth: int) -> bool:
        is_first = node.name not in self.workflow.reached
        return node.type in CONDITION_TYPES and is_first and depth < MAX_CHAINED_CONDITIONS

    def _output(self, name: str, number: int, condition: Condition) -> Condition:
        """Return the condition by which an item leaves a node by an output.

        The first output is for true, the second of an IF node for false; a later one is for errors.
        """
        node = self.workflow.nodes[name]
        log = self.workflow.log.at("nodes", node.number)
        if node.keys.get("disabled") is True:
            return condition if number == 0 else FALSE
        if name not in self.outputs:
            try:
                self.outputs[name] = read_conditions(node, log, self.proofs)
                log.carry(f"the node {name} is a condition of routes")
            except (NotCarried, CompileError) as error:
                self.is_open = True
                self.outputs[name] = None
                log.refuse(f"the node {name}: {error}")
        outputs = self.outputs[name]
        if outputs is None:
            return condition
        if number == 0:
            return both([condition, outputs.passes])
        return both([condition, outputs.fails if (number, node.type) == (1, IF_TYPE) else FALSE])

    def _add_routes(self, name: str, branch: N8nBranch) -> None:
        """Add a route for each node that has a counterpart, and one for the other nodes."""
        is_paused = self.is_open
        match = None
        try:
            match = write_match(branch.condition)
        except CompileError as error:
            is_paused = True
            self.log.refuse(f"the conditions have no counterpart: {error}")
        others: list[str] = []
        for target in dict.fromkeys(branch.nodes):
            node = self.workflow.nodes[target]
            action = self._read_action(node, branch)
            if action is None:
                others.append(target)
                continue
            flow = self._find_flow(action, node)
            self._add_route(name, match, action.inputs, flow, branch.title, is_paused=is_paused)
        if others or not branch.nodes:
            flow = choose_name(make_name(name, "flow"), self.result.flows)
            self.result.add_placeholder(flow)
            inputs = dict(branch.item.fields) or {"body": "${body}"}
            self._add_route(name, match, inputs, flow, branch.title, is_paused=is_paused)
            for target in others:
                self._report_work(target, flow, branch.reasons)

    def _read_action(self, node: N8nNode, branch: N8nBranch) -> N8nAction | None:
        if node.name in branch.reasons or len(self.result.routes) >= MAX_ROUTES:
            return None
        try:
            return read_action(node, branch.item)
        except NotCarried as error:
            branch.reasons[node.name] = str(error)
            return None

    def _find_flow(self, action: N8nAction, node: N8nNode) -> str:
        """Return the flow of an action; the same where several branches lead to its node."""
        if node.name not in self.flows:
            self.workflow.reached.add(node.name)
            log = self.workflow.log.at("nodes", node.number)
            self.flows[node.name] = add_action(action, node, self.result, log)
            _refuse_settings(node, log)
            self._refuse_rest(node)
        return self.flows[node.name]

    def _add_route(
        self,
        name: str,
        match: dict[str, Any] | None,
        inputs: Mapping[str, Any],
        flow: str,
        title: str,
        *,
        is_paused: bool,
    ) -> None:
        taken = {route["name"] for route in self.result.routes}
        route: dict[str, Any] = {"name": choose_name(name.lower(), taken), "on": name}
        if match is not None:
            route["match"] = match
        route |= {"inputs": dict(inputs), "flow": flow}
        if is_paused:
            route["mode"] = "paused"
            self.log.doubt(
                f"the route {route['name']} is paused, since a condition is not carried: check what"
                " it lets through, then remove `mode: paused`"
            )
        if title:
            self.result.comments[route["name"]] = title
        self.result.routes.append(route)

    def _report_work(self, name: str, flow: str, reasons: Mapping[str, str]) -> None:
        """Report a node behind a route, and the nodes behind that one."""
        for node in self._walk(name):
            reason = reasons.get(node.name)
            self.workflow.log.at("nodes", node.number).fill_in(
                flow,
                "set its platform and saved_item_id to the flow that does the work of the node"
                f" {node.name} ({node.type}) and of those behind it"
                + (f". No route replaces the node: {reason}" if reason else ""),
            )

    def _refuse_rest(self, action: N8nNode) -> None:
        """Report the nodes behind one that a route replaces."""
        for targets in self.workflow.outputs.get(action.name, []):
            for target in targets:
                for node in self._walk(target):
                    log = self.workflow.log.at("nodes", node.number)
                    if node.type in NOTE_TYPES:
                        log.carry("a node without an effect")
                        continue
                    log.refuse(
                        f"no route leads to the node {node.name} ({node.type}), which came after"
                        f" {action.name}"
                    )

    def _walk(self, name: str) -> Iterator[N8nNode]:
        """Yield a node and those behind it that nothing has reached yet."""
        waiting = [name]
        while waiting:
            node = self.workflow.nodes.get(waiting.pop())
            if node is None or node.name in self.workflow.reached:
                continue
            self.workflow.reached.add(node.name)
            yield node
            for targets in self.workflow.outputs.get(node.name, []):
                waiting += targets

    # -- its own parameters

    def _authenticate(self, name: str) -> dict[str, Any]:
        kind = self.node.parameters.get("authentication", "none")
        log = self.log.at("parameters", "authentication")
        if kind == "none":
            source, is_weaker = build_source(self.result, name, self.proofs, self.log)
            self.is_open |= is_weaker
            return source
        for proof in self.proofs:
            self.is_open = True
            proof.log.refuse("the source verifies the node's authentication, and not this value")
        secret = {"secret": self.result.add_secret(secret_variable(name), None), "dedup": "none"}
        if kind == "basicAuth":
            log.doubt("to fill in: the secret in .env, as user:password; a workflow has none")
            return {"provider": "basic", **secret}
        if kind == "headerAuth":
            log.doubt(
                "to fill in: the header's name in `verify` of the source, and its value in .env; a"
                " workflow has neither"
            )
            return {"provider": "token", "verify": {"header": "Authorization"}, **secret}
        self.is_open = True
        log.refuse(f"the authentication {str(kind)[:40]!r} has no counterpart; set up `verify`")
        return {"provider": "token", "verify": {"header": "Authorization"}, **secret}

    def _read_parameters(self) -> None:
        log = self.log.at("parameters")
        parameters = self.node.parameters
        methods = parameters.get("httpMethod", "GET")
        methods = methods if isinstance(methods, list) else [methods]
        if methods == ["POST"]:
            log.at("httpMethod").carry("only POST is accepted")
        else:
            log.at("httpMethod").refuse("only POST is accepted; the default of n8n is GET")
        options = parameters.get("options")
        for key in options if isinstance(options, dict) else ():
            at = log.at("options", str(key))
            if key == "rawBody":
                at.carry("the raw body is stored")
            elif key == "ipWhitelist":
                self.is_open = True
                at.refuse("flowbridge does not check addresses; allow these in your proxy")
            else:
                at.refuse("this option has no counterpart")
        for key in parameters:
            if key not in ("path", "httpMethod", "authentication", "options"):
                log.at(str(key)).refuse("flowbridge answers 202 as soon as the event is stored")
        _refuse_settings(self.node, self.log)


def _refuse_settings(node: N8nNode, log: FindingLog) -> None:
    for key in node.keys:
        if key not in NODE_KEYS:
            log.at(str(key)).refuse("this setting of the node has no counterpart")


def _report_rest(document: Mapping[str, Any], workflow: N8nWorkflow) -> None:
    for node in workflow.nodes.values():
        log = workflow.log.at("nodes", node.number)
        if node.type in NOTE_TYPES and node.name not in workflow.reached:
            log.carry("a node without an effect")
        elif node.name not in workflow.reached:
            log.refuse(f"no route leads to the node {node.name} ({node.type})")
    for key, value in document.items():
        log = workflow.log.at(str(key))
        if key == "connections":
            log.carry("the order of the nodes")
        elif key == "settings" and isinstance(value, dict) and set(value) <= EDITOR_SETTINGS:
            log.carry("settings of n8n itself")
        elif key in EDITOR_KEYS or not value:
            log.carry("only the editor uses it")
        elif key == "nodes":
            continue
        else:
            log.refuse("it has no counterpart")
