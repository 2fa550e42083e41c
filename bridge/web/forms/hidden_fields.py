"""The anti-spam fields of a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from markupsafe import Markup

from bridge.core.model import JSON
from bridge.routing.model import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class AntiSpamFields:
    """The hidden inputs, the name of the honeypot (empty: none), and the proof of work of a form.

    `widget` is HTML before the button, `scripts` are the URLs that it needs, and `policy` is what
    these need of the page's Content-Security-Policy, by directive. `needs_script`: a submission
    without JavaScript is marked as spam, so the button is disabled until a script shows it.
    """

    inputs: Mapping[str, str] = field(default_factory=dict)
    honeypot: str = ""
    widget: Markup = Markup()  # noqa: RUF009 - it is immutable
    scripts: tuple[str, ...] = ()
    policy: Mapping[str, str] = field(default_factory=dict)
    needs_script: bool = False


#: Returns the anti-spam fields of a form on one of our pages. Its argument is None for a new form,
#: else the control fields of the form that is shown again.
MakeAntiSpamFields = Callable[[Source, Mapping[str, JSON] | None], AntiSpamFields]
