"""Calls to platforms for one request: they end soon, and few wait at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from bridge.api.context import ApiContext, ApiRequest
from bridge.api.problems import TOO_MANY_WAIT, ApiProblem, report_busy
from bridge.core.errors import BridgeError, InvalidRequest, NotFound, PlatformRefused
from bridge.routing.model import Platform
from bridge.services.platforms import platform_names
from bridge.services.records.flow_records import find_answer_label

T = TypeVar("T")


def find_platform(context: ApiContext, request: ApiRequest) -> Platform:
    """Return the platform of the path. Raises `ApiProblem`."""
    try:
        return platform_names.find_platform(context.load_platforms(), request.ids["platform"])
    except InvalidRequest as error:
        raise ApiProblem("not_found", str(error)) from None


def ask_platform(context: ApiContext, send: Callable[[], T], *, with_contents: bool) -> T:
    """Return the answer of a platform. Raises `ApiProblem` if there is no usable one, if the
    platform has no such flow, or if too many requests wait for platforms. An `InvalidRequest` of
    `send` passes.

    `with_contents`: the problem may quote what the platform answered.
    """
    with wait_for_platform(context):
        try:
            return send()
        except InvalidRequest:
            raise
        except NotFound as error:
            raise ApiProblem("not_found", str(error)) from None
        except BridgeError as error:
            text = describe_failure(error, with_contents=with_contents)
            raise ApiProblem("platform_failed", text) from error


@contextmanager
def wait_for_platform(context: ApiContext) -> Iterator[None]:
    """Let a request wait for a platform. Raises `ApiProblem` if too many do."""
    with context.wait_in_place() as may_wait:
        if not may_wait:
            raise report_busy(TOO_MANY_WAIT)
        yield


def describe_failure(error: BridgeError, *, with_contents: bool) -> str:
    """Return the message of a call to a platform that failed."""
    if with_contents or not isinstance(error, PlatformRefused):
        return str(error)
    return f"{error.platform}: {find_answer_label(error.answer)}"
