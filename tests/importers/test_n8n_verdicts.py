"""What n8n's own IF and Filter nodes decide, the imported routes start: its recorded verdicts.

To compare the newest n8n with them, or to record them again with FLOWBRIDGE_RECORD_N8N=1:

    .ci/n8n_packages /tmp/n8n
    FLOWBRIDGE_N8N_MODULES=/tmp/n8n/node_modules .venv/bin/pytest -n0 tests/importers/test_n8n_verdicts.py
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from folders import DATA
from n8n_cases import N8nCase, list_cases
from n8n_model import passes
from n8n_program import MODULES, NODE, judge_cases
from webhook_rules import HookRequest

from bridge.importers.kinds import import_files
from bridge.importers.model import Carried, ImportResult
from bridge.routing.matching.clauses import AllOf, Clause
from bridge.routing.matching.matcher import compile_match

VERDICTS = DATA / "n8n_verdicts.json"
CASES_PER_FILE = 100  # a workflow has at most 500 nodes
NODES_PER_CASE = 4
CASES = {case.label: case for case in list_cases()}
#: Cases that the import does not carry, though n8n decides them for some request: a comparison with
#: no number, lists without regard to case, patterns without a counterpart, and expressions that
#: never have the value they seem to have.
REFUSED = re.compile(
    r"""v3:\ v\ number:(?!exists)\w+\ ""|any-case:\ v\ array:(?:not)?[Cc]ontains\ "paid"
    |A(?=paid"$)|un\(\?=paid|[ ]{2}string:|=[ ]\{\{|X-Kind""",
    re.VERBOSE,
)
#: JSON types -> the types of conditions that compare them as they are.
OWN_TYPES = {bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}


def write_workflow(cases: list[N8nCase]) -> str:
    """Return a workflow with a Webhook node, the node, and the nodes of its two outputs, by case."""
    nodes: list[dict[str, Any]] = []
    connections: dict[str, Any] = {}
    for number, case in enumerate(cases):
        webhook, test, yes, no = (f"{name}{number}" for name in ("Webhook", "If", "Yes", "No"))
        start = {"path": f"w{number}", "httpMethod": "POST"}
        nodes += [
            {"name": webhook, "type": "n8n-nodes-base.webhook", "parameters": start},
            {**case.node, "name": test},
            *(
                {"name": name, "type": "n8n-nodes-base.code", "parameters": {}}
                for name in (yes, no)
            ),
        ]
        connections[webhook] = {"main": [[{"node": test}]]}
        connections[test] = {"main": [[{"node": yes}], [{"node": no}]]}
    return json.dumps({"nodes": nodes, "connections": connections})


@dataclass
class ImportedCase:
    """A case, its routes with the letter of the output that leads to each, and its findings."""

    case: N8nCase
    routes: list[tuple[str, Clause]] = field(default_factory=list)
    is_refused: bool = False
    is_doubtful: bool = False

    def start(self, item: dict[str, Any]) -> str:
        """Return the letters of the outputs whose routes an item starts; E for none."""
        return "".join(letter for letter, clause in self.routes if clause(item)) or "E"


@cache
def import_cases() -> dict[str, ImportedCase]:
    """Return all cases by label, imported."""
    found: dict[str, ImportedCase] = {}
    cases = list(CASES.values())
    for start in range(0, len(cases), CASES_PER_FILE):
        part = [ImportedCase(case) for case in cases[start : start + CASES_PER_FILE]]
        text = write_workflow([one.case for one in part])
        result = import_files([("workflow.json", text)], None)
        read_findings(result, part)
        found |= {one.case.label: one for one in part}
    return found


def read_findings(result: ImportResult, cases: list[ImportedCase]) -> None:
    """Give each case its routes and findings."""
    letters = {}
    for one in result.findings:
        place = re.match(r"workflow\.nodes\.(\d+)", one.place)
        if place is None:
            continue
        number, node = divmod(int(place[1]), NODES_PER_CASE)
        flow = re.search(r"flows\.(\S+) is a placeholder .* the node (Yes|No)", one.message)
        if flow is not None:
            letters[flow[1]] = (cases[number], "T" if flow[2] == "Yes" else "F")
        elif node == 1:
            cases[number].is_refused |= one.carried is Carried.NO
            cases[number].is_doubtful |= one.carried is Carried.DOUBT
    for route in result.routes:
        case, letter = letters[route["flow"]]
        match = route.get("match")
        case.routes.append((letter, compile_match(match) if match else AllOf(())))


def may_differ(one: ImportedCase, request: HookRequest) -> bool:
    """Return whether docs or report say that a value is decided in another way."""
    value = request.payload.get("v") if isinstance(request.payload, dict) else None
    kind = re.search(r": v (\w+)", one.case.label)
    if kind is None or isinstance(value, str) or "v" not in request.payload:
        return False
    if value is None:  # n8n compares it as 0
        return kind[1] == "number"
    return one.is_doubtful and OWN_TYPES[type(value)] != kind[1]


def test_routes_decide_as_n8n_did() -> None:
    recorded = json.loads(VERDICTS.read_text())["verdicts"]
    assert list(recorded) == list(CASES)
    wrong, refused, differing = [], [], 0
    for label, one in import_cases().items():
        if one.is_refused:
            refused.append(label)
            continue
        verdicts = recorded[label]
        if one.case.kind == "filter":
            verdicts = verdicts.replace("F", "E")  # it has one output
        for request, item, wanted in zip(one.case.requests, one.case.items, verdicts, strict=True):
            started = one.start(item)
            if started != wanted and may_differ(one, request):
                differing += 1
            elif started != wanted:
                wrong.append((label, request.payload, wanted, started))
    assert wrong == []
    decided = [label for label in refused if set(recorded[label]) != {"E"}]
    assert decided == [label for label in CASES if REFUSED.search(label)]
    assert differing < 0.02 * sum(map(len, recorded.values()))


def test_the_model_decides_as_n8n_did() -> None:
    recorded = json.loads(VERDICTS.read_text())["verdicts"]
    compared = 0
    for label, case in CASES.items():
        if not re.match(r"strict( any-case)?: v (string|number|boolean):[^/\\?]*$", label):
            continue
        (row,) = case.parameters["conditions"]["conditions"]
        is_sensitive = case.parameters["conditions"]["options"]["caseSensitive"]
        for request, wanted in zip(case.requests, recorded[label], strict=True):
            if wanted != "E" and request.payload.get("v", 0) is not None:
                passed = passes({**row, "name": "v"}, request.payload, is_sensitive=is_sensitive)
                assert passed is (wanted == "T"), (label, request)
                compared += 1
    assert compared > 900


@pytest.mark.usefixtures("new_processes")
@pytest.mark.skipif(
    not (MODULES and NODE), reason="FLOWBRIDGE_N8N_MODULES names no folder of node's"
)
def test_the_packages_decide_as_they_did() -> None:
    found = judge_cases(list(CASES.values()))
    verdicts = dict(zip(CASES, found["verdicts"], strict=True))
    if os.environ.get("FLOWBRIDGE_RECORD_N8N"):
        text = json.dumps({"packages": found["packages"], "verdicts": verdicts}, indent=1)
        VERDICTS.write_text(text + "\n")
    assert verdicts == json.loads(VERDICTS.read_text())["verdicts"], found["packages"]
