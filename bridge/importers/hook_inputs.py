"""Turns the arguments that adnanh/webhook passes to a command into the inputs of a flow. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.core.model import JSON
from bridge.importers.hook_proofs import GETENV_MARK
from bridge.importers.hook_references import (
    HookParameter,
    NotCarried,
    Reference,
    find_reference,
    read_parameter,
)
from bridge.importers.model import FindingLog, ImportResult, choose_name
from bridge.importers.secret_texts import is_known_secret, looks_random, names_secret
from bridge.routing.templates import RESERVED_INPUTS

MAX_INPUTS: Final = 200
ARGUMENT_KEYS: Final = ("source", "name", "envname", "base64decode")


@dataclass(slots=True)
class HookInputs:
    """The inputs of one hook's flow, as they are collected.

    `arguments`: the names of those that the command gets as arguments, in order.
    """

    result: ImportResult
    hook: str
    unwrapped: str | None
    parsed: frozenset[tuple[str, str]]
    inputs: dict[str, Any] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    _before: str = ""  # the constant argument before the present one, such as --token

    def add_arguments(self, value: JSON, log: FindingLog) -> None:
        """Add `pass-arguments-to-command`."""
        for number, parameter, at in _list(value, log):
            self._add(parameter, at, f"argument_{number}", kind="argument")

    def add_environment(self, value: JSON, log: FindingLog) -> None:
        """Add `pass-environment-to-command`."""
        for number, parameter, at in _list(value, log):
            self._add(parameter, at, f"environment_{number}", kind="environment")

    def add_files(self, value: JSON, log: FindingLog) -> None:
        """Add `pass-file-to-command`: the content becomes an input."""
        for number, parameter, at in _list(value, log):
            self._add(parameter, at, f"file_{number}", kind="file")

    def _add(self, value: JSON, log: FindingLog, default: str, *, kind: str) -> None:
        try:
            parameter = read_parameter(value)
            for key in parameter.keys:
                if key not in ARGUMENT_KEYS:
                    log.at(key).doubt("webhook knows no such key, so it is left out")
            if len(self.inputs) >= MAX_INPUTS:
                raise NotCarried(f"a flow gets at most {MAX_INPUTS} inputs here")
            name = self._name(parameter, default, kind)
            text = self._value(parameter, name)
        except NotCarried as error:
            self._before = ""
            log.refuse(str(error))
            return
        self.inputs[name] = text
        if kind == "argument":
            self.arguments.append(name)
        self._report(parameter, log, name, kind)

    def _name(self, parameter: HookParameter, default: str, kind: str) -> str:
        variable_name = parameter.keys.get("envname")
        if kind != "argument" and isinstance(variable_name, str) and variable_name:
            text = variable_name
        elif kind != "argument":
            text = f"HOOK_{parameter.name}"
        elif parameter.source == "string" or not parameter.name:
            text = default
        else:
            text = parameter.name
        name = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_")[:60] or default
        if name[0].isdigit():
            name = f"_{name}"
        if name.lower() in RESERVED_INPUTS:
            name += "_value"
        return choose_name(name, self.inputs, separator="_")

    def _value(self, parameter: HookParameter, name: str) -> str:
        first, dot, _ = parameter.name.partition(".")
        if dot and (parameter.source, first) in self.parsed:
            raise NotCarried("it is inside a text of JSON, which flowbridge does not parse")
        if parameter.source == "raw-request-body":
            return "${body}"
        reference = find_reference(parameter, self.unwrapped)
        if reference.constant is None:
            self._before = ""
            is_encoded = parameter.keys.get("base64decode") is True
            text = reference.expression
            return "${" + (f"unb64({text})" if is_encoded else text) + "}"
        return self._constant(parameter, reference, name)

    def _constant(self, parameter: HookParameter, reference: Reference, name: str) -> str:
        text = reference.constant or ""
        before, self._before = self._before, text if text.startswith("-") else ""
        mark = GETENV_MARK.fullmatch(text)
        if mark is not None:
            self.result.secrets.setdefault(mark[1], None)
            raise NotCarried(f"a Go template; the flow can read {mark[1]} from its environment")
        if GETENV_MARK.search(text) or "{{" in text:
            raise NotCarried("a Go template is not carried")
        envname = parameter.keys.get("envname")
        named = names_secret(before) or (isinstance(envname, str) and names_secret(envname))
        is_flag, _, after = text.partition("=")
        if (
            (named and text)
            or is_known_secret(text)
            or (after and names_secret(is_flag))
            or (looks_random(text) and not text.startswith("-"))
        ):
            variable = re.sub(r"[^A-Z0-9]+", "_", f"{self.hook}_{name}".upper()).strip("_")
            made = self.result.add_secret(
                f"_{variable}" if variable[0].isdigit() else variable, text
            )
            raise NotCarried(
                "it may be a credential, and inputs are stored with each delivery; it is in .env as"
                f" {made[6:-1]}, where the flow can read it"
            )
        return text.replace("${", "$${")

    def _report(self, parameter: HookParameter, log: FindingLog, name: str, kind: str) -> None:
        doubts = {
            "file": "the input holds the content, and webhook passed the name of a file with it",
            "raw-request-body": "the input holds the parsed body, and webhook passed its text",
        }
        doubt = doubts.get(kind) or doubts.get(parameter.source)
        if doubt is not None:
            log.doubt(f"the input {name}: {doubt}")
        else:
            log.carry(f"the input {name}")


def _list(value: JSON, log: FindingLog) -> list[tuple[int, JSON, FindingLog]]:
    if not isinstance(value, list):
        log.refuse("it is not a list of parameters")
        return []
    if not value:
        log.carry("an empty list")
    return [(number, parameter, log.at(number - 1)) for number, parameter in enumerate(value, 1)]
