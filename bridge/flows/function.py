"""The `flow` decorator, and the inputs that a function's signature declares."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args, overload

import orjson

from bridge.core.local_runs import Input, LocalFlow
from bridge.flows.errors import FlowError
from bridge.flows.types import File, WebhookInput

FLOW_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
DEFAULT_TIME_LIMIT_SECONDS: Final = 3600.0
DEFAULT_MEMORY_BYTES: Final = 512 * 1000**2
_REFUSED_PARAMETERS: Final = {
    inspect.Parameter.POSITIONAL_ONLY: "positional-only parameters cannot be passed by name",
    inspect.Parameter.VAR_POSITIONAL: "*args cannot be passed by name",
}


@dataclass(frozen=True, slots=True)
class FlowFunction:
    """One flow. A call runs the function itself, so that flows are tested like functions."""

    name: str
    function: Callable[..., Any]
    inputs: tuple[Input, ...]
    description: str = ""
    #: it has **inputs, which get all inputs without a parameter
    takes_any: bool = False
    idempotent: bool = False  #: an interrupted run may run again
    time_limit: float | None = None  #: seconds; None: DEFAULT_TIME_LIMIT_SECONDS
    memory: int | None = None  #: bytes; None: DEFAULT_MEMORY_BYTES
    folder: Path | None = None  #: of the flows.py that it was loaded from

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        return self.function(*args, **inputs)

    def described(self, workbook: str) -> LocalFlow:
        """Return the description of the flow.

        A default that is not JSON is shown as Python source.
        """
        return LocalFlow(
            id=self.name,
            workbook=workbook,
            description=self.description,
            inputs=self.inputs,
            takes_any=self.takes_any,
            idempotent=self.idempotent,
            time_limit=self.time_limit,
            memory=self.memory,
        )


@overload
def flow(function: Callable[..., Any], /) -> FlowFunction: ...
@overload
def flow(
    *,
    name: str | None = None,
    idempotent: bool = False,
    time_limit: float | None = None,
    memory: int | str | None = None,
) -> Callable[[Callable[..., Any]], FlowFunction]: ...
def flow(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    idempotent: bool = False,
    time_limit: float | None = None,
    memory: int | str | None = None,
) -> Any:
    """Turn a function into a flow.

    Use `@flow`, or `@flow(name="send-invoice", idempotent=True, time_limit=30, memory="256MB")`.
    An interrupted run of an `idempotent` flow runs again instead of failing. A run over
    `time_limit` (seconds; default an hour) or `memory` (bytes, or a text; default 512 MB) fails.
    """

    def decorate(decorated: Callable[..., Any]) -> FlowFunction:
        described = _describe(decorated, name)
        limits = _time_limit(described.name, time_limit), _memory(described.name, memory)
        return FlowFunction(
            described.name,
            decorated,
            described.inputs,
            described.description,
            described.takes_any,
            idempotent,
            *limits,
        )

    return decorate(function) if function is not None else decorate


def _describe(function: Callable[..., Any], name: str | None) -> FlowFunction:
    name = name or function.__name__
    if not FLOW_NAME.fullmatch(name):
        raise FlowError(
            f"flow {name!r}: a name is 1 to 100 letters, digits, '_', '-' or '.', and starts with a"
            " letter or digit"
        )
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise FlowError(
            f"flow {name!r}: an async function or a generator cannot be a flow; write a plain"
            " function"
        )
    inputs = []
    takes_any = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in _REFUSED_PARAMETERS:
            raise FlowError(f"flow {name!r}: {parameter}: {_REFUSED_PARAMETERS[parameter.kind]}")
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            takes_any = True
        else:
            inputs.append(_input(parameter, getattr(function, "__globals__", {})))
    return FlowFunction(name, function, tuple(inputs), inspect.getdoc(function) or "", takes_any)


def _input(parameter: inspect.Parameter, names: dict[str, Any]) -> Input:
    annotation = parameter.annotation
    default = parameter.default
    if annotation is parameter.empty:
        annotation = ""
    if isinstance(annotation, str):  # quoted twice where annotations of the file are strings too
        annotation = annotation.strip("'\"")
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    required = default is parameter.empty
    return Input(
        parameter.name,
        text,
        required,
        None if required else _as_json(default),
        _kind(annotation, names),
    )


def _kind(annotation: Any, names: dict[str, Any]) -> str:
    """Return the `kind` of the input: see `Input`.

    An annotation that is a string, also by `from __future__ import annotations`, is evaluated.
    """
    if isinstance(annotation, str) and annotation:
        try:
            annotation = eval(annotation, names)  # noqa: S307 - it is the operator's own program
        except Exception:
            return "text"
    parts = _parts(annotation)
    return "file" if File in parts else "body" if WebhookInput in parts else "text"


def _parts(annotation: Any) -> list[Any]:
    """Return the types inside an annotation such as `list[File] | None`."""
    return [annotation, *(part for argument in get_args(annotation) for part in _parts(argument))]


def _as_json(default: Any) -> Any:
    try:
        return orjson.loads(orjson.dumps(default))
    except TypeError:
        return repr(default)[:200]


def _time_limit(name: str, seconds: object) -> float | None:
    if seconds is None:
        return None
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not 0 < seconds <= 366 * 86400
    ):
        raise FlowError(
            f"flow {name!r}: time_limit: {seconds!r} is not valid; allowed: seconds above 0, up to"
            " 366 days"
        )
    return float(seconds)


def _memory(name: str, amount: int | str | None) -> int | None:
    if amount is None:
        return None
    # not at the top: every import of bridge.flows would load all of it
    from bridge.config.schema import units

    try:
        return units.parse_memory(amount)
    except ValueError as error:
        raise FlowError(f"flow {name!r}: memory: {error}") from None
