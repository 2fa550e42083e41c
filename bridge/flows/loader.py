"""The flows of the local platform: the ready-made ones, and those of a flows.py, which it loads."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from bridge.core.local_runs import READY_MADE, LocalFlow
from bridge.flows.errors import FlowError
from bridge.flows.function import FlowFunction
from bridge.flows.ready.catalog import READY_FLOWS


@dataclass(frozen=True, slots=True)
class FlowLibrary:
    """Flows by name, with their origin: see `LocalFlow.workbook`."""

    flows: Mapping[str, FlowFunction]
    workbook: str = READY_MADE  # of flows that are not ready-made

    def described(self) -> list[LocalFlow]:
        """Return the descriptions of all flows."""
        return [
            function.described(READY_MADE if READY_FLOWS.get(name) is function else self.workbook)
            for name, function in sorted(self.flows.items())
        ]


def load_library(path: str | None) -> FlowLibrary:
    """Run flows.py, if there is one, and return its flows and the ready-made ones.

    A flow in flows.py replaces a ready-made one with the same name. Raise FlowError, which names
    the invalid line. Call this only in processes that may die: the file can do anything.
    """
    if path is None:
        return FlowLibrary(READY_FLOWS)
    return FlowLibrary(READY_FLOWS | load_flows(path), Path(path).name)


def load_flows(path: Path | str) -> dict[str, FlowFunction]:
    """Return the flows that the file defines or imports, by name.

    Raise FlowError, which names the invalid line. The file runs as a module with a unique name, so
    that it and other modules do not hide each other. It leaves no __pycache__ in its folder.
    """
    path = Path(path)
    try:
        code = compile(path.read_bytes(), str(path), "exec")
    except OSError as error:
        raise FlowError(f"{path}: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        raise FlowError(
            f"{path}:{getattr(error, 'lineno', None) or 1}: {type(error).__name__}:"
            f" {_first_line(error)}"
        ) from error
    module = ModuleType(f"_flows_{sha256(str(path.resolve()).encode()).hexdigest()[:16]}")
    module.__file__ = str(path)
    previous = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module  # dataclasses and pickle look their module up here
    try:
        exec(code, module.__dict__)  # noqa: S102 - it is the operator's own program
    except (Exception, SystemExit) as error:
        _restore(module.__name__, previous)
        raise FlowError(
            f"{path}:{_line(error, str(path))}: {type(error).__name__}: {_first_line(error)}"
        ) from error
    return _flows(module, path)


def _flows(module: ModuleType, path: Path) -> dict[str, FlowFunction]:
    flows: dict[str, FlowFunction] = {}
    for value in vars(module).values():
        if not isinstance(value, FlowFunction):
            continue
        if flows.setdefault(value.name, value) is not value:
            raise FlowError(f"{path}: two flows are named {value.name!r}; each needs a unique name")
    return {name: replace(flow, folder=path.parent) for name, flow in flows.items()}


def _restore(name: str, previous: ModuleType | None) -> None:
    if previous is None:
        del sys.modules[name]
    else:
        sys.modules[name] = previous


def _line(error: BaseException, filename: str) -> int:
    """Return the last line of the file itself in the traceback."""
    lines = [
        frame.lineno or 1
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == filename
    ]
    return lines[-1] if lines else 1


def _first_line(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return (text or "no detail").splitlines()[0]
