"""Turn a hooks file of adnanh/webhook into sources, flows and routes. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.core.errors import CompileError, InvalidRequest
from bridge.core.model import JSON, OWN_SOURCE_NAME
from bridge.importers.document_reader import read_document
from bridge.importers.hook_inputs import HookInputs
from bridge.importers.hook_proofs import GETENV_MARK, HookProof, build_source
from bridge.importers.hook_references import text_of
from bridge.importers.hook_rules import HookRules
from bridge.importers.model import FindingLog, ImportResult, choose_name, make_name
from bridge.importers.rule_clauses import FALSE, Condition, write_match

MAX_HOOKS: Final = 500
#: The form field whose JSON the provider makes the body.
UNWRAPPED_FIELDS: Final = {"github": "payload"}
_GETENV = re.compile(
    r"\{\{-?\s*getenv\s+(?:\\?\"|`)([A-Za-z_][A-Za-z0-9_]*)(?:\\?\"|`)\s*(?:\|\s*js\s*)?-?\}\}"
)


def import_hooks(name: str, text: str, result: ImportResult) -> None:
    """Add the hooks of a file to `result`; `InvalidRequest` where it is no hooks file."""
    document = read_document(name, _mark_variables(name, text))
    if isinstance(document, dict) and document:
        document = [document]
    if not isinstance(document, list) or not document:
        raise InvalidRequest(f"{name}: a hooks file is a list of hooks, each with `id`")
    if len(document) > MAX_HOOKS:
        raise InvalidRequest(f"{name}: more than {MAX_HOOKS} hooks")
    hook_ids: set[str] = set()
    for number, hook in enumerate(document):
        log = FindingLog(result, name, f"hooks[{number}]")
        if not isinstance(hook, dict):
            log.refuse("a hook must be an object")
            continue
        _Hook(result, hook, log, hook_ids).convert()


def _mark_variables(name: str, text: str) -> str:
    """Replace `{{ getenv "NAME" | js }}`, which webhook expands with -template, by marks."""
    marked = _GETENV.sub(lambda match: f"FLOWBRIDGE-GETENV-{match[1]}-END", text)
    for number, line in enumerate(marked.splitlines(), 1):
        if re.match(r"\s*\{\{-?\s*(?:range|if|end|else|with|define|block|template|/\*)", line):
            raise InvalidRequest(
                f"{name}:{number}: a Go template, which is not carried; write the file without"
                ' templates, or with {{ getenv "NAME" | js }} only'
            )
    return marked


@dataclass(slots=True)
class _Hook:
    """Converts one hook."""

    result: ImportResult
    keys: Mapping[str, Any]
    log: FindingLog
    known: set[str]

    def convert(self) -> None:
        values = {str(key).lower(): (str(key), value) for key, value in self.keys.items()}
        id_ = text_of(values.get("id", ("", ""))[1])
        if not id_ or id_ in self.known or GETENV_MARK.search(id_) or "{{" in id_:
            self.log.refuse(
                "another hook has this id"
                if id_ in self.known
                else "a hook needs an `id` that is no template"
            )
            return
        self.known.add(id_)
        name = self._choose_source(id_)
        wraps = _reads_payload_field(values.get("parse-parameters-as-json", ("", None))[1])
        unwrapped, rules, condition = self._read_rules(values, wraps)
        parsed = rules.parsed
        inputs = HookInputs(self.result, name, unwrapped, parsed)
        self._read_keys(values, inputs, unwrapped)
        source, is_weaker = build_source(self.result, name, rules.proofs, self.log)
        self.result.sources[name] = source
        route = self._route(name, condition, inputs, is_open=rules.is_open or is_weaker)
        self._command(values, name, inputs)
        self.result.routes.append(route)

    def _choose_source(self, id_: str) -> str:
        taken = {*self.result.sources, OWN_SOURCE_NAME}
        name = choose_name(make_name(id_, "hook"), taken)
        if name == id_:
            self.log.at("id").carry(f"the source {name}; its URL ends in /hooks/{name} as before")
        else:
            self.log.at("id").doubt(
                f"the source {name}, since a name has letters, digits, - and _ only, and is there"
                f" once: change the URL at the sender to /hooks/{name}"
            )
        return name

    def _read_rules(
        self, values: Mapping[str, tuple[str, Any]], wraps: frozenset[tuple[str, str]]
    ) -> tuple[str | None, HookRules, Condition | None]:
        """Return the form field that the provider unwraps, the rules, and when a route matches."""
        key, rule = values.get("trigger-rule", ("", None))
        if rule is None:
            if key:
                self.log.at(key).carry("no rule: every request")
            return None, HookRules(None, wraps), None
        # read once to learn the provider, which decides how the paths are written
        probe = HookRules(None, wraps)
        scratch = FindingLog(ImportResult(), self.log.file, self.log.place)
        self._evaluate(probe, rule, scratch)
        unwrapped = UNWRAPPED_FIELDS.get(_provider_of(probe.proofs))
        rules = HookRules(unwrapped, wraps - {("payload", unwrapped or "")})
        return unwrapped, rules, self._evaluate(rules, rule, self.log.at(key))

    def _evaluate(self, rules: HookRules, rule: Any, log: FindingLog) -> Condition | None:
        try:
            return rules.read(rule, log)
        except CompileError as error:
            rules.is_open = True
            log.refuse(str(error))
            return None

    def _route(
        self, name: str, condition: Condition | None, inputs: HookInputs, *, is_open: bool
    ) -> dict[str, Any]:
        taken = {route["name"] for route in self.result.routes}
        route: dict[str, Any] = {"name": choose_name(name.lower(), taken), "on": name}
        is_paused = is_open
        if condition == FALSE:
            is_paused = True
            self.log.at("trigger-rule").doubt("webhook never triggers this hook")
        elif condition is not None:
            try:
                match = write_match(condition)
                if match is not None:
                    route["match"] = match
            except CompileError as error:
                is_paused = is_open = True
                self.log.at("trigger-rule").refuse(f"the rule has no counterpart: {error}")
        route["inputs"] = inputs.inputs or {"event_id": "${event.id}"}
        route["flow"] = name
        if is_paused:
            route["mode"] = "paused"
        if is_open:
            self.log.at("trigger-rule").doubt(
                f"the route {route['name']} is paused, since a rule is not carried: check what it"
                " lets through, then remove `mode: paused`"
            )
        return route

    def _command(
        self, values: Mapping[str, tuple[str, Any]], name: str, inputs: HookInputs
    ) -> None:
        self.result.add_placeholder(name)
        key, _ = values.get("execute-command", ("execute-command", ""))
        order = f"; its arguments were, in order: {', '.join(inputs.arguments)}"
        self.log.at(key).fill_in(
            name,
            "set its platform and saved_item_id to the flow that does the command's work"
            + (order if inputs.arguments else ""),
        )

    def _read_keys(
        self,
        values: Mapping[str, tuple[str, Any]],
        inputs: HookInputs,
        unwrapped: str | None,
    ) -> None:
        collectors: dict[str, Callable[[JSON, FindingLog], None]] = {
            "pass-arguments-to-command": inputs.add_arguments,
            "pass-environment-to-command": inputs.add_environment,
            "pass-file-to-command": inputs.add_files,
            "parse-parameters-as-json": lambda value, log: _report_json(value, log, unwrapped),
        }
        for lower, (key, value) in values.items():
            log = self.log.at(key)
            if lower in collectors:
                collectors[lower](value, log)
            elif lower in _KEY_REPORTS:
                _KEY_REPORTS[lower](value, log)
            elif lower in _REFUSED_KEYS:
                log.refuse(_REFUSED_KEYS[lower])
            elif lower in _CARRIED_KEYS:
                log.carry(_CARRIED_KEYS[lower])
            elif lower not in _READ_ELSEWHERE:
                log.refuse("webhook 2.8 knows no such key, and it has no counterpart")


def _provider_of(proofs: list[HookProof]) -> str:
    providers = {proof.provider for proof in proofs if proof.kind == "hmac"}
    return providers.pop() if len(providers) == 1 else ""


def _reads_payload_field(value: Any) -> frozenset[tuple[str, str]]:
    """Return the parameters whose text is parsed as JSON, as (source, name)."""
    parameters = value if isinstance(value, list) else []
    return frozenset(
        (parameter["source"], parameter["name"])
        for parameter in parameters
        if isinstance(parameter, dict)
        and isinstance(parameter.get("source"), str)
        and isinstance(parameter.get("name"), str)
    )


def _report_json(value: JSON, log: FindingLog, unwrapped: str | None) -> None:
    for number, parameter in enumerate(value if isinstance(value, list) else [value]):
        at = log.at(number)
        if isinstance(parameter, dict) and (parameter.get("source"), parameter.get("name")) == (
            "payload",
            unwrapped,
        ):
            at.carry("the provider parses this form field; it is the body")
        else:
            at.refuse("flowbridge does not parse JSON inside of a field, a header or the query")


# -- keys that have no counterpart, or that need none


def _report_methods(value: JSON, log: FindingLog) -> None:
    methods = [str(method).strip().upper() for method in value] if isinstance(value, list) else []
    if methods == ["POST"]:
        log.carry("only POST is accepted")
    else:
        log.refuse("only POST is accepted")


def _report_content_type(value: JSON, log: FindingLog) -> None:
    if isinstance(value, str) and "json" in value.lower():
        log.doubt(
            "a body without a known Content-Type is JSON if it reads as JSON; one that is declared"
            " as a form is read as a form"
        )
    else:
        log.refuse("the sender's Content-Type decides how a body is read")


def _report_output(value: JSON, log: FindingLog) -> None:
    if value is False or value is None:
        log.carry("the answer has no output")
    else:
        log.refuse("the answer is sent before the flow runs, so it has no output")


_KEY_REPORTS: Final[Mapping[str, Callable[[JSON, FindingLog], None]]] = {
    "http-methods": _report_methods,
    "incoming-payload-content-type": _report_content_type,
    "include-command-output-in-response": _report_output,
    "include-command-output-in-response-on-error": _report_output,
}
_OWN_ANSWER: Final = "flowbridge answers 202 with its own JSON as soon as the event is stored"
#: Keys that need no counterpart, whatever their value.
_CARRIED_KEYS: Final[Mapping[str, str]] = {
    "trigger-signature-soft-failures": "a failed signature is refused with 401",
}
#: Keys that are not carried, whatever their value.
_REFUSED_KEYS: Final[Mapping[str, str]] = {
    "response-message": _OWN_ANSWER,
    "response-headers": _OWN_ANSWER,
    "success-http-response-code": _OWN_ANSWER,
    "trigger-rule-mismatch-http-response-code": (
        "an event that matches no route is stored too, and answered 202"
    ),
    "pre-hook-command": "no command runs before an event is stored",
    "command-working-directory": "a flow does not run in the folder of the command",
}
_READ_ELSEWHERE: Final = frozenset({"id", "execute-command", "trigger-rule"})
