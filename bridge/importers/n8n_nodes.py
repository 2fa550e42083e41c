"""The nodes of an n8n workflow, and the outputs that connect them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON
from bridge.importers.model import FindingLog

MAX_NODES: Final = 500
MAX_OUTPUTS: Final = 50  # of one node


@dataclass(frozen=True, slots=True)
class N8nNode:
    """A node: its name, type and parameters."""

    number: int
    name: str
    type: str
    keys: Mapping[str, Any]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Its parameters, empty where they are no object."""
        parameters = self.keys.get("parameters")
        return parameters if isinstance(parameters, dict) else {}

    @property
    def version(self) -> float:
        """The version of its parameters; the oldest where it is not given."""
        version = self.keys.get("typeVersion")
        return version if isinstance(version, int | float) else 1


@dataclass(slots=True)
class N8nWorkflow:
    """A workflow with its nodes by name, and the outputs of each."""

    nodes: dict[str, N8nNode]
    outputs: dict[str, list[list[str]]]
    log: FindingLog
    reached: set[str] = field(default_factory=set)


def read_nodes(document: Mapping[str, Any], log: FindingLog) -> N8nWorkflow:
    """Return the nodes and connections of a workflow; `InvalidRequest` for too many."""
    listed = document["nodes"]
    if len(listed) > MAX_NODES:
        raise InvalidRequest(f"{log.file}: more than {MAX_NODES} nodes")
    workflow = N8nWorkflow({}, {}, log)
    for number, node in enumerate(listed):
        at = log.at("nodes", number)
        if not isinstance(node, dict) or not all(
            isinstance(node.get(key), str) for key in ("name", "type")
        ):
            at.refuse("a node must be an object with `name` and `type`")
        elif node["name"] in workflow.nodes:
            at.refuse("another node has this name")
        else:
            workflow.nodes[node["name"]] = N8nNode(number, node["name"], node["type"], node)
    connections = document.get("connections")
    for source, kinds in (connections if isinstance(connections, dict) else {}).items():
        main = kinds.get("main") if isinstance(kinds, dict) else None
        workflow.outputs[str(source)] = [_targets(output) for output in _items(main)[:MAX_OUTPUTS]]
    return workflow


def _items(value: JSON) -> list[Any]:
    return value if isinstance(value, list) else []


def _targets(output: JSON) -> list[str]:
    """Return the names of the nodes that an output leads to."""
    targets = [target.get("node") for target in _items(output) if isinstance(target, dict)]
    return [name for name in targets if isinstance(name, str)]
