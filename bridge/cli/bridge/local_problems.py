"""Problems of the API as errors of a command on the bridge's own machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bridge.api.problems import ApiProblem
from bridge.cli.remote.server_problems import describe_problem
from bridge.core.errors import BridgeError


@contextmanager
def raise_as_here() -> Iterator[None]:
    """Raise problems of the API as errors of a command on the bridge's own machine."""
    try:
        yield
    except ApiProblem as problem:
        described = describe_problem(problem.as_json(""))
        if described is None:
            raise BridgeError(problem.detail) from None
        raise described.make_error() from None
