"""The routes.yaml that the playground begins with: the file, or a configuration without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from bridge.api.resources import configs
from bridge.config.problems import Report
from bridge.config.yaml_reader import YamlFile, read_yaml
from bridge.core.masking import MASK
from bridge.core.scopes import Scope
from bridge.services.config_views import SECTIONS, mask_config
from bridge.services.trials.messages import ROUTES_NAME
from bridge.web.console.config_texts import write_config
from bridge.web.console.console_request import ConsoleRequest

#: In the place of a secret that the file itself has, and of a URL's path: a text with it can be
#: tried, and `flowbridge check` refuses it.
MASKED: Final = "${env:MASKED}"
MAX_FILE_BYTES: Final = 64 * 1024  # of a file that is parsed to find secrets in it
NO_TEXT: Final = "version: 1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartText:
    """A text to begin with. `is_file`: it is the file as written, with its comments.

    `is_masked`: secrets in it are replaced. `is_whole`: it was not cut. `draft`: the name of the
    route that was added to it, empty without one.
    """

    text: str
    is_file: bool = False
    is_masked: bool = False
    is_whole: bool = True
    draft: str = ""


def find_start_text(console_request: ConsoleRequest, config_hash: str | None) -> StartText:
    """Return the text of a stored configuration, or of the one in use.

    A session with the scope `admin` gets the file itself, unless it has secrets: it may have
    comments, which other sessions see nowhere.
    """
    if config_hash is not None:
        reply = console_request.read(configs.show_config)
        return _write(reply["config"])
    canonical = console_request.context.config().canonical
    if not canonical:
        return StartText(text=NO_TEXT)
    document = orjson.loads(canonical)["config"]
    if console_request.may(Scope.ADMIN) and (text := _read_file(console_request)) is not None:
        return StartText(text=text, is_file=True)
    return _write(mask_config(document))


def _write(document: Mapping[str, Any]) -> StartText:
    masked = {
        name: _replace_masks(value) if name in SECTIONS else value
        for name, value in document.items()
    }
    text, is_whole = write_config(masked)
    return StartText(text=text, is_masked=has_masks(text), is_whole=is_whole)


def has_masks(text: str) -> bool:
    """Return whether secrets in a text are replaced, so that it must not be installed as it is."""
    return MASKED in text or MASK in text


def _replace_masks(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _replace_masks(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_replace_masks(item) for item in value]
    return value.replace(MASK, MASKED) if isinstance(value, str) else value


def _read_file(console_request: ConsoleRequest) -> str | None:
    """Return routes.yaml as written; None where it has secrets, cannot be read, or is too long."""
    try:
        with console_request.context.settings.config.open("rb") as opened:
            raw = opened.read(MAX_FILE_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except (OSError, ValueError):
        return None
    if len(raw) > MAX_FILE_BYTES:
        return None
    document = read_yaml(YamlFile(ROUTES_NAME, text), Report(ROUTES_NAME))
    is_shown = isinstance(document, Mapping) and mask_config(document) == document
    return text if is_shown else None
