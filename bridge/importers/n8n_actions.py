"""Nodes of n8n that a ready-made flow or a platform of `type: http` replaces. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from bridge.config.build.platforms import find_url_problem, is_header_name
from bridge.core.model import JSON
from bridge.importers.hook_inputs import MAX_INPUTS
from bridge.importers.hook_references import NotCarried
from bridge.importers.model import FindingLog, ImportResult, choose_name, make_name
from bridge.importers.n8n_expressions import N8nItem, is_expression
from bridge.importers.n8n_nodes import N8nNode
from bridge.importers.secret_texts import may_hold_secret
from bridge.routing.templates import RESERVED_INPUTS

HTTP_METHODS: Final = ("POST", "PUT", "PATCH")
#: Options that only add a line about n8n to what is sent.
IGNORED_OPTIONS: Final = frozenset({"includeLinkToWorkflow", "appendAttribution"})
_NO_OPTION: Final = "this option has no counterpart"


@dataclass(slots=True)
class N8nAction:
    """A route's flow and inputs.

    `platform`: the keys of the platform that the flow needs. `settings`: the variables of .env that
    the flow reads. `options`: parameters without a counterpart.
    """

    flow: str
    inputs: dict[str, JSON]
    platform: dict[str, Any] | None = None
    settings: tuple[str, ...] = ()
    doubt: str = ""
    options: list[tuple[str, str]] = field(default_factory=list)


def read_action(node: N8nNode, item: N8nItem) -> N8nAction:
    """Return what replaces a node; `NotCarried` where nothing does.

    The message of `NotCarried` is empty for a type of node that is never carried.
    """
    read = _READERS.get(node.type)
    if read is None:
        raise NotCarried("")
    if node.keys.get("disabled") is True:
        raise NotCarried("the node is disabled")
    return read(node, item)


def add_action(action: N8nAction, node: N8nNode, result: ImportResult, log: FindingLog) -> str:
    """Add what an action needs to the import, and return the flow of its route."""
    for name in action.settings:
        result.secrets.setdefault(name, None)
    flow = action.flow
    if action.platform is not None:
        name = choose_name(make_name(node.name, "http").lower(), {*result.platforms, "local"})
        result.platforms[name] = _hide_secrets(action.platform, name, result)
        flow = f"{name}/{action.flow}"
    log.carry(f"the flow {flow}")
    if action.doubt:
        log.doubt(action.doubt)
    for path, key in action.options:
        log.at("parameters", path, key).refuse(_NO_OPTION)
    return flow


def _hide_secrets(platform: Mapping[str, Any], name: str, result: ImportResult) -> dict[str, Any]:
    """Return the keys of a platform with references to .env in place of what may be secret."""

    def hide(key: str, text: str) -> str:
        variable = re.sub(r"[^A-Z0-9]", "_", f"{name}_{key}".upper())
        return result.add_secret(f"{'_' if variable[0].isdigit() else ''}{variable}", text)

    masked = dict(platform)
    url = masked["url"]
    if any(may_hold_secret(key, text) for key, text in _url_values(url)):
        masked["url"] = hide("url", url)
    if "headers" in masked:
        masked["headers"] = {
            key: hide(key, text) if may_hold_secret(key, text) else text
            for key, text in masked["headers"].items()
        }
    return masked


def _url_values(url: str) -> list[tuple[str, str]]:
    parts = urlsplit(url)
    steps = [("step", step) for step in parts.path.split("/")]
    return [("address", url), *steps, *parse_qsl(parts.query)]


# -- Slack


def _read_slack(node: N8nNode, item: N8nItem) -> N8nAction:
    parameters = node.parameters
    reason = "the node does more than post a message to a channel"
    _require(parameters, _SLACK_POST, reason)
    if parameters.get("attachments"):
        raise NotCarried(reason)
    inputs: dict[str, JSON] = {"text": _text(item, parameters, "text")}
    channel = _channel(parameters)
    if channel:
        inputs["channel"] = item.write_value(channel)
    return N8nAction(
        "local/slack_message",
        inputs,
        settings=("FLOWBRIDGE_SLACK_WEBHOOK_URL",),
        doubt=(
            "the URL of an incoming webhook takes the place of the credential, and decides the"
            " channel; `<`, `>` and `&` are shown as they are"
        ),
        options=_options(parameters, "otherOptions"),
    )


_SLACK_POST: Final = {
    "resource": "message",
    "operation": "post",
    "messageType": "text",
    "select": "channel",
}


def _channel(parameters: Mapping[str, Any]) -> JSON:
    """Return the channel: that of version 1, or the locator of version 2."""
    channel = parameters.get("channelId", parameters.get("channel"))
    if not isinstance(channel, dict):
        return channel
    value = channel.get("value")
    return value if isinstance(value, str) else None


# -- mail

_MORE_THAN_MAIL: Final = "the node does more than send a mail"


def _read_email(node: N8nNode, item: N8nItem) -> N8nAction:
    parameters = node.parameters
    _require(parameters, {"resource": "email", "operation": "send"}, _MORE_THAN_MAIL)
    options = _mapping(parameters, "options")
    format_ = parameters.get("emailFormat", "html" if node.version >= 2 else "both")
    fields = {
        "to": parameters.get("toEmail"),
        "from_": parameters.get("fromEmail"),
        "cc": options.get("ccEmail", parameters.get("ccEmail")),
        "bcc": options.get("bccEmail", parameters.get("bccEmail")),
        "reply_to": options.get("replyTo"),
        "subject": parameters.get("subject"),
        "text": parameters.get("text") if format_ in ("text", "both") else None,
        "html": parameters.get("html") if format_ in ("html", "both") else None,
    }
    return _write_mail(fields, parameters, {"ccEmail", "bccEmail", "replyTo"}, item)


def _read_gmail(node: N8nNode, item: N8nItem) -> N8nAction:
    parameters = node.parameters
    if node.version < 2:
        raise NotCarried(f"its parameters are those of version {node.version:g} of the node")
    _require(parameters, {"resource": "message", "operation": "send"}, _MORE_THAN_MAIL)
    options = _mapping(parameters, "options")
    content = "text" if parameters.get("emailType", "html") == "text" else "html"
    fields = {
        "to": parameters.get("sendTo"),
        "cc": options.get("ccList"),
        "bcc": options.get("bccList"),
        "reply_to": options.get("replyTo"),
        "subject": parameters.get("subject"),
        content: parameters.get("message"),
    }
    return _write_mail(fields, parameters, {"ccList", "bccList", "replyTo"}, item)


def _write_mail(
    fields: Mapping[str, JSON], parameters: Mapping[str, Any], carried: set[str], item: N8nItem
) -> N8nAction:
    inputs: dict[str, JSON] = {}
    for name, value in fields.items():
        if value in (None, ""):
            continue
        written = item.write_value(value)
        if name in ("to", "cc", "bcc") and isinstance(written, str) and "," in written:
            written = _list_addresses(name, written)
        inputs[name] = written
    if "to" not in inputs:
        raise NotCarried("it has no recipient")
    inputs.setdefault("subject", "")
    options = [pair for pair in _options(parameters, "options") if pair[1] not in carried]
    doubt = "your mail server takes the place of the credential"
    if "${" in str([inputs.get(name) for name in ("to", "cc", "bcc")]):
        doubt += "; the sender of an event chooses a recipient: set FLOWBRIDGE_SMTP_ALLOWED_TO"
    return N8nAction(
        "local/send_email",
        inputs,
        settings=("FLOWBRIDGE_SMTP_URL",),
        doubt=doubt,
        options=options,
    )


def _list_addresses(name: str, text: str) -> JSON:
    """Return several addresses as a list; one text is one address."""
    if "${" in text or '"' in text:
        raise NotCarried(f"`{name}` may have several addresses in one text")
    return [part.strip() for part in text.split(",") if part.strip()]


# -- HTTP Request


def _read_http(node: N8nNode, item: N8nItem) -> N8nAction:
    parameters = node.parameters
    method, url = parameters.get("method", "GET"), parameters.get("url")
    if node.version < 3:
        raise NotCarried(f"its parameters are those of version {node.version:g} of the node")
    if method not in HTTP_METHODS:
        raise NotCarried("a platform of `type: http` sends only POST, PUT and PATCH")
    if not isinstance(url, str) or is_expression(url) or "${" in url:
        raise NotCarried("its URL is an expression")
    problem = find_url_problem(url, "the inputs would be sent")
    if problem is not None:
        raise NotCarried(f"its URL {problem}")
    if parameters.get("authentication", "none") != "none":
        raise NotCarried("a workflow does not have the secret of its authentication")
    if parameters.get("sendQuery"):
        raise NotCarried("it adds parameters to the URL")
    platform: dict[str, Any] = {"type": "http", "url": url}
    if method != "POST":
        platform["method"] = method
    headers = _read_headers(parameters)
    if headers:
        platform["headers"] = headers
    is_empty = not parameters.get("sendBody")
    return N8nAction(
        "call",
        {} if is_empty else _read_body(parameters, item),
        platform,
        doubt="the body is {}, where n8n sends none" if is_empty else "",
        options=_options(parameters, "options"),
    )


def _read_headers(parameters: Mapping[str, Any]) -> dict[str, str]:
    if not parameters.get("sendHeaders"):
        return {}
    if parameters.get("specifyHeaders", "keypair") != "keypair":
        raise NotCarried("its headers are written as JSON")
    headers = {}
    for name, value in _read_parameters(parameters, "headerParameters"):
        if not isinstance(value, str) or is_expression(value) or "${" in value:
            raise NotCarried(f"the header {name} is an expression")
        if not is_header_name(name) or not value.isprintable():
            raise NotCarried(f"the header {name[:60]!r} cannot be set")
        headers[name] = value
    return headers


def _read_body(parameters: Mapping[str, Any], item: N8nItem) -> dict[str, JSON]:
    if parameters.get("contentType", "json") != "json":
        raise NotCarried("its body is not JSON")
    if parameters.get("specifyBody", "keypair") != "keypair":
        raise NotCarried("its JSON body is one text with expressions")
    return _write_fields(_read_parameters(parameters, "bodyParameters"), item)


def _read_parameters(parameters: Mapping[str, Any], key: str) -> list[tuple[str, JSON]]:
    reason = f"its `{key}` is not a list of names and values"
    return _read_pairs(_mapping(parameters, key).get("parameters"), reason)


# -- Edit Fields


def read_fields(node: N8nNode, item: N8nItem) -> N8nItem:
    """Return what an Edit Fields (Set) node passes on; `NotCarried` where it is more than paths."""
    parameters = node.parameters
    if parameters.get("mode", "manual") != "manual":
        raise NotCarried("it writes its fields as JSON")
    rows = _mapping(parameters, "assignments").get("assignments")
    if node.version < 3 or not isinstance(rows, list):
        raise NotCarried(f"its fields are those of version {node.version:g} of the node")
    fields = _write_fields(_read_pairs(rows, "a field has no name"), item)
    return N8nItem(item.webhook, node.name, fields, parameters.get("includeOtherFields") is True)


def _write_fields(rows: list[tuple[str, JSON]], item: N8nItem) -> dict[str, JSON]:
    if len(rows) > MAX_INPUTS:
        raise NotCarried(f"it has more than {MAX_INPUTS} fields")
    fields: dict[str, JSON] = {}
    for name, value in rows:
        is_name = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,99}", name)
        if not is_name or name.lower() in RESERVED_INPUTS:
            raise NotCarried(f"{name[:80]!r} is no name of an input")
        if not is_expression(value) and may_hold_secret(name, str(value)):
            raise NotCarried(f"the value of {name} seems to be a credential")
        fields[name] = item.write_value(value)
    return fields


def _text(item: N8nItem, parameters: Mapping[str, Any], key: str) -> JSON:
    value = item.write_value(parameters.get(key))
    if not isinstance(value, str) or not value:
        raise NotCarried(f"it has no `{key}`")
    return value


def _options(parameters: Mapping[str, Any], key: str) -> list[tuple[str, str]]:
    names = _mapping(parameters, key)
    return [(key, str(name)) for name in names if name not in IGNORED_OPTIONS]


# -- parameters


def _require(parameters: Mapping[str, Any], usual: Mapping[str, str], reason: str) -> None:
    """Raise `NotCarried` where a parameter is set to something else than its usual value."""
    if any(parameters.get(key, value) != value for key, value in usual.items()):
        raise NotCarried(reason)


def _mapping(parameters: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a parameter that is an object, or an empty one."""
    value = parameters.get(key)
    return value if isinstance(value, dict) else {}


def _read_pairs(rows: Any, reason: str) -> list[tuple[str, JSON]]:
    """Return the names and values of rows. Raises `NotCarried` where they are something else."""
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and isinstance(row.get("name"), str) for row in rows
    ):
        raise NotCarried(reason)
    return [(row["name"], row.get("value")) for row in rows]


_READERS: Final[Mapping[str, Callable[[N8nNode, N8nItem], N8nAction]]] = {
    "n8n-nodes-base.slack": _read_slack,
    "n8n-nodes-base.emailSend": _read_email,
    "n8n-nodes-base.gmail": _read_gmail,
    "n8n-nodes-base.httpRequest": _read_http,
}
