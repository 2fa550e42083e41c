"""A flow of the local platform: a decorated function and what its signature says of its inputs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, overload

from bridge.errors import BridgeError
from bridge.model import Input

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_KINDS: Final = {
    inspect.Parameter.POSITIONAL_ONLY: "positional-only parameters cannot be given by name",
    inspect.Parameter.VAR_POSITIONAL: "*args cannot be given by name",
}


class FlowError(BridgeError):
    """flows.py, or a flow in it, cannot be used; the text says where."""


@dataclass(frozen=True, slots=True)
class FlowFunction:
    """One flow. Calling it calls the function, so that flows can be tested as the functions they are."""

    name: str
    function: Callable[..., Any]
    inputs: tuple[Input, ...]
    description: str = ""
    takes_any: bool = False  #: it has **inputs: inputs without a parameter of their own are given to it, too

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        return self.function(*args, **inputs)


@overload
def flow(function: Callable[..., Any], /) -> FlowFunction: ...
@overload
def flow(*, name: str | None = None) -> Callable[[Callable[..., Any]], FlowFunction]: ...
def flow(function: Callable[..., Any] | None = None, /, *, name: str | None = None) -> Any:
    """Make a function a flow, under its own name or another: `@flow` or `@flow(name="send-invoice")`."""
    return _describe(function, None) if function is not None else lambda decorated: _describe(decorated, name)


def _describe(function: Callable[..., Any], name: str | None) -> FlowFunction:
    name = name or function.__name__
    if not NAME.fullmatch(name):
        raise FlowError(f"flow {name!r}: a name is 1 to 100 letters, digits, '_', '-' or '.', and starts with a letter or digit")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise FlowError(f"flow {name!r}: an async function or a generator cannot be a flow; write a plain function")
    inputs, takes_any = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in _KINDS:
            raise FlowError(f"flow {name!r}: {parameter}: {_KINDS[parameter.kind]}")
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            takes_any = True
        else:
            inputs.append(_input(parameter))
    return FlowFunction(name, function, tuple(inputs), inspect.getdoc(function) or "", takes_any)


def _input(parameter: inspect.Parameter) -> Input:
    annotation, default = parameter.annotation, parameter.default
    if annotation is parameter.empty:
        annotation = ""
    kind = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return Input(parameter.name, kind, default is parameter.empty, None if default is parameter.empty else default)
