"""The options of commands that act, and the request they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bridge.cli.actions.rate_option import RATE
from bridge.cli.options import AS_JSON
from bridge.services.operations import describe_request

if TYPE_CHECKING:
    pass


F = TypeVar("F", bound=Callable[..., Any])

YES = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Say how many there are, and do nothing.")


def operation_options(command: F) -> F:
    """Add the options of every command that acts."""
    for option in (AS_JSON, DRY_RUN, YES, RATE):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """What every act is asked: how, and for which of what is kept."""

    yes: bool
    dry_run: bool
    as_json: bool
    limit: int
    rate: str | None
    chosen: Mapping[str, Any]

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> OperationRequest:
        """Take a command's options apart."""
        own = {name: options[name] for name in ("yes", "dry_run", "as_json", "limit", "rate")}
        return cls(
            **own, chosen={name: value for name, value in options.items() if name not in own}
        )

    @property
    def is_filtered(self) -> bool:
        """Whether anything is asked for."""
        return any(value is not None for value in self.chosen.values())

    def kept(self, names: Sequence[str], **how: Any) -> dict[str, Any]:
        """Return what of this is kept with the act: the filters, or the names that were given, and
        how.
        """
        return describe_request(self.chosen, names, limit=self.limit, rate=self.rate, **how)


def require_items(names: Sequence[str], asked: OperationRequest) -> None:
    """Refuse an act on everything, and one on ids and filters at once; --route goes with both."""
    if not names and not asked.is_filtered:
        example = "" if "status" not in asked.chosen else "--status dead or "
        raise click.UsageError(f"name some, or choose them by a filter such as {example}--since 1h")
    if names and any(
        value is not None for option, value in asked.chosen.items() if option != "route"
    ):
        raise click.UsageError("ids and filters do not go together")
