"""A new source for routes.yaml: its entry, its route, its pins and its secrets."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from bridge.core.errors import BridgeError, ConfigError, InvalidRequest
from bridge.services.project import env_file, routes_file
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.providers.model import Provider
    from bridge.routing.model import Config

#: The inputs of a new route, by provider. Inputs without a value in an event are left out.
ROUTE_INPUTS: dict[str, dict[str, str]] = {
    "github": {
        "event": "${event.type}",
        "action": "${body.action}",
        "repository": "${body.repository.full_name}",
        "sender": "${body.sender.login}",
    },
    "stripe": {
        "event": "${event.type}",
        "object": "${body.data.object.object}",
        "object_id": "${body.data.object.id}",
    },
    "slack": {
        "event": "${event.type}",
        "channel": "${body.event.channel}",
        "user": "${body.event.user}",
        "text": "${body.event.text}",
    },
    "standard_webhooks": {"event": "${event.type}", "data": "${body.data}"},
    "svix": {"event": "${event.type}", "data": "${body.data}"},
}
#: The files that flows write a form's fields to, by flow: the sender must not choose them.
FORM_FILES = {"append_csv": "csv", "append_jsonl": "jsonl"}
DEFAULT_INPUTS = {"event": "${event.type}", "payload": "${body}"}
#: The keys that sources of the generic providers need.
TYPE_AND_ID = {"event_type": "body:type", "event_id": "body:id"}
SOURCE_KEYS: dict[str, dict[str, Any]] = {
    "hmac": {
        "verify": {"header": "X-Signature", "algorithm": "sha256", "encoding": "hex"},
        **TYPE_AND_ID,
    },
    "token": TYPE_AND_ID,
    "basic": TYPE_AND_ID,
}


@dataclass(frozen=True, slots=True)
class NewSource:
    """A source to add to routes.yaml.

    `secrets`: by variable of `.env`, empty where the sender makes the secret. `pins`: the values of
    each pin.
    """

    name: str
    provider: Provider
    flow: str | None
    secrets: Mapping[str, str]
    pins: Mapping[str, list[str]]

    @property
    def missing(self) -> list[str]:
        """The variables whose secrets still have to be put into .env."""
        return [name for name, text in self.secrets.items() if not text]


def plan_source(
    settings: Settings, provider: str, name: str | None, flow: str | None, pins: Sequence[str]
) -> tuple[NewSource, str]:
    """Return a new source, and the text of routes.yaml with it. Nothing is written.

    Raises `InvalidRequest` where the provider, the name or a pin cannot be used, or where there is
    no routes.yaml; `ConfigError` where routes.yaml cannot be used as it is.
    """
    row = _find_provider(provider)
    values = _read_pins(row, pins)
    if not settings.config.exists():
        raise InvalidRequest(f"there is no {settings.config}; `flowbridge init` writes one")
    text = settings.config.read_bytes().decode("utf-8")
    config = load_present(settings)
    free = _check_name(name or row.name, config)
    made = _make_secrets(settings, row, env_file.secret_variable(free))
    new = NewSource(free, row, flow, made, values)
    return new, _add_to_routes(text, config, new)


def write_source(settings: Settings, new: NewSource, changed: str) -> None:
    """Write the secrets of a new source to .env, and then the changed text of routes.yaml.

    Raises `BridgeError` where a file cannot be written.
    """
    environ = settings.environ
    put = {
        name: text
        for name, text in new.secrets.items()
        if (not environ.get(name) if text else name not in environ)
    }
    try:
        if put:
            env_file.set_variables(settings.config.parent / ".env", put)
        env_file.replace_file(settings.config, changed, 0o644)
    except OSError as error:
        raise BridgeError(f"{error.filename} cannot be written: {error.strerror}") from error


def _find_provider(name: str) -> Provider:
    from bridge.core.typos import suggest
    from bridge.providers.registry import PROVIDERS

    if name not in PROVIDERS:
        raise InvalidRequest(
            f"there is no provider {name!r}; {suggest(name, PROVIDERS)}`flowbridge providers`"
            " lists all"
        )
    return PROVIDERS[name]


def _read_pins(row: Provider, pins: Sequence[str]) -> dict[str, list[str]]:
    """Return the values of --pin by name.

    Raises `InvalidRequest` where one is missing that the provider's signature needs.
    """
    from bridge.core.typos import suggest
    from bridge.providers.signatures.pins import pins_of, with_pins
    from bridge.providers.signatures.shared_token import Unsigned

    values: dict[str, list[str]] = {}
    for text in pins:
        name, equals, value = text.partition("=")
        if not equals or not value.strip():
            raise InvalidRequest(f"--pin {text!r} is not NAME=VALUE")
        values.setdefault(name.strip(), []).append(value.strip())
    pin_names = [pin.name for pin in pins_of(row.scheme)]
    if unknown := [name for name in values if name not in pin_names]:
        raise InvalidRequest(
            f"--pin: {unknown[0]!r} cannot be pinned; {suggest(unknown[0], pin_names)}allowed:"
            f" {', '.join(pin_names) or 'nothing'}"
        )
    missing = [pin for pin in pins_of(row.scheme) if pin.required and pin.name not in values]
    if missing:
        needed = "".join(f"\n  --pin {pin.name}=VALUE   {pin.what}" for pin in missing)
        raise InvalidRequest(
            f"{row.title} signs the messages of all its customers, so a source of {row.name} needs"
            f" pins that select yours:{needed}"
        )
    try:
        with_pins(row.scheme or Unsigned(), values)
    except ValueError as error:
        raise InvalidRequest(f"--pin: {error}") from error
    return values


def _check_name(name: str, config: Config) -> str:
    if name in config.sources:
        free = next(
            f"{name}-{number}"
            for number in range(2, 10_000)
            if f"{name}-{number}" not in config.sources
        )
        raise InvalidRequest(f"routes.yaml already has a source {name!r}; {free!r} is free")
    return name


def _add_to_routes(text: str, config: Config, new: NewSource) -> str:
    """Return the text of routes.yaml with the source and its route.

    A local platform is added where the route needs one.
    """
    # the example that init wrote, if it is still there
    text = re.sub(rf"(?m)^  # {re.escape(new.name)}:\n(?:  #   .*\n)+", "", text)
    local = next(
        (platform.name for platform in config.platforms.values() if platform.type == "local"), None
    )
    if "version:" not in text:
        text = "version: 1\n" + text
    if new.flow is None and local is None:
        text = routes_file.add_entry(text, "platforms", "local", {"type": "local"})
    source: dict[str, Any] = {"provider": new.provider.name}
    names = ["${env:" + variable + "}" for variable in new.secrets]
    if names:
        source |= {"secret": names[0]} if len(names) == 1 else {"secrets": names}
    if new.pins:
        source["pins"] = {
            name: values[0] if len(values) == 1 else values for name, values in new.pins.items()
        }
    text = routes_file.add_entry(
        text, "sources", new.name, source | SOURCE_KEYS.get(new.provider.name, {})
    )
    taken = {route.name for route in config.routes}
    free = (new.name.lower() + (f"-{number}" if number > 1 else "") for number in count(1))
    route: dict[str, Any] = {
        "name": next(name for name in free if name not in taken),
        "on": new.name,
    }
    flow = new.flow or f"{local or 'local'}/echo"
    ending = FORM_FILES.get(flow.removeprefix(f"{local or 'local'}/"))
    if new.provider.name == "form" and ending is not None:
        route["inputs"] = {"file": f"{new.name}.{ending}", "fields": "${form}"}
    elif new.provider.name != "form":
        route["inputs"] = ROUTE_INPUTS.get(new.provider.name, DEFAULT_INPUTS) | {
            "event_id": "${event.id}"
        }
    return routes_file.add_entry(text, "routes", None, route | {"flow": flow})


def _make_secrets(settings: Settings, row: Provider, variable: str) -> dict[str, str]:
    """Return the secrets by variable: the present value, a new one, or empty where the sender makes
    it. There is none where the sender publishes keys or delivers its secret in a request.
    """
    from bridge.providers.signatures.hmac_scheme import Hmac
    from bridge.providers.signatures.pairs import choose_scheme
    from bridge.services.samples.secrets import CHALLENGE_PREFIX, new_secret

    scheme = row.scheme or Hmac(at="header:X-Signature")
    if row.learn or not scheme.needs_secret:
        return {}
    made = {variable: new_secret(scheme).verifies if row.generates_secret else ""}
    if choose_scheme(scheme, CHALLENGE_PREFIX)[0] == CHALLENGE_PREFIX:
        made = {
            variable.replace("_WEBHOOK_SECRET", "_WEBHOOK_TOKEN"): CHALLENGE_PREFIX
            + secrets.token_hex(20)
        } | made
    return {name: settings.environ.get(name, "") or text for name, text in made.items()}


def check_addition(settings: Settings, new: NewSource, text: str) -> None:
    """Load the changed text of routes.yaml from a temporary file beside it.

    Raises `ConfigError`, with places in routes.yaml, where it would not load, and `BridgeError`
    where flows.py does not.
    """
    from bridge.config.loader import check
    from bridge.flows import FlowError
    from bridge.services.config_checks.flow_inputs import find_missing_flows
    from bridge.services.platforms.local_flows import list_local_flows

    draft = settings.config.with_name(f".{settings.config.stem}.{secrets.token_hex(4)}.yaml")
    try:
        env_file.replace_file(draft, text, 0o600)
        environ = dict(settings.environ) | {
            name: text for name, text in new.secrets.items() if text
        }
        config, problems = check(draft, environ, strict_secrets=False)
        if config is not None:
            problems = find_missing_flows(config, list_local_flows(config, settings.flow_environ))
    except FlowError as error:
        raise BridgeError(
            f"nothing was written, since the route cannot be checked: {error}"
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    wrong = [problem for problem in problems if problem.level == "error"]
    if wrong:
        raise ConfigError(
            [
                replace(problem, file=str(settings.config))
                if problem.file == str(draft)
                else problem
                for problem in wrong
            ]
        )
