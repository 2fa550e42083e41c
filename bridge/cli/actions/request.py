"""The options of operations, and the request that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from bridge.cli.actions.rate_option import RATE
from bridge.cli.options import AS_JSON

F = TypeVar("F", bound=Callable[..., Any])

YES = click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Only print how many there are.")


def operation_options(command: F) -> F:
    """Add the options of every operation."""
    for option in (AS_JSON, DRY_RUN, YES, RATE):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """The options of an operation, and the filters that select its items (`chosen`)."""

    yes: bool
    dry_run: bool
    as_json: bool
    limit: int
    rate: str | None
    chosen: Mapping[str, Any]

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> OperationRequest:
        """Split a command's options into those of the operation and its filters."""
        own = {name: options[name] for name in ("yes", "dry_run", "as_json", "limit", "rate")}
        return cls(
            **own, chosen={name: value for name, value in options.items() if name not in own}
        )

    @property
    def is_filtered(self) -> bool:
        """Whether a filter is given."""
        return any(value is not None for value in self.chosen.values())


def require_items(names: Sequence[str], request: OperationRequest) -> None:
    """Raise a usage error without ids and filters, and with both; --route goes with ids too."""
    if not names and not request.is_filtered:
        example = "" if "status" not in request.chosen else "--status dead or "
        raise click.UsageError(f"pass ids, or select by a filter such as {example}--since 1h")
    if names and any(
        value is not None for option, value in request.chosen.items() if option != "route"
    ):
        raise click.UsageError("ids and filters cannot be combined")
