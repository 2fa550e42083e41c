"""The kinds of files that can be imported: one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.core.errors import InvalidRequest
from bridge.importers.convoy_subscriptions import import_subscriptions
from bridge.importers.document_reader import read_document
from bridge.importers.hookdeck_connections import import_connections
from bridge.importers.hooks_file import import_hooks
from bridge.importers.html_forms import import_page
from bridge.importers.model import ImportResult
from bridge.importers.n8n_workflow import import_workflow

MAX_IMPORT_FILES: Final = 50
MAX_IMPORT_BYTES: Final = 1024 * 1024  # of one file


@dataclass(frozen=True, slots=True)
class ImportKind:
    """One kind of file. `recognizes`: whether a file is of this kind, by its name and text."""

    name: str
    title: str
    recognizes: Callable[[str, str], bool]
    convert: Callable[[str, str, ImportResult], None]


def _is_document(name: str) -> bool:
    return name.lower().endswith((".json", ".yaml", ".yml"))


def _is_hooks_file(name: str, text: str) -> bool:
    is_named = _is_document(name) or name.lower().endswith(".tmpl")
    return is_named and "execute-command" in text


def _is_page(name: str, text: str) -> bool:
    return name.lower().endswith((".html", ".htm")) and "<form" in text.lower()


def _is_workflow(name: str, text: str) -> bool:
    return name.lower().endswith(".json") and '"nodes"' in text and '"connections"' in text


def _is_hookdeck_file(name: str, text: str) -> bool:
    has_both = '"source"' in text and '"destination"' in text
    return name.lower().endswith(".json") and has_both and '"nodes"' not in text


def _is_convoy_file(name: str, text: str) -> bool:
    is_source = '"verifier"' in text and '"mask_id"' in text
    return name.lower().endswith(".json") and ('"filter_config"' in text or is_source)


IMPORT_KINDS: Final = {
    kind.name: kind
    for kind in (
        ImportKind(
            "webhook", "hooks.json or hooks.yaml of adnanh/webhook", _is_hooks_file, import_hooks
        ),
        ImportKind(
            "html",
            "pages with forms of Formspree, Netlify, Basin or Web3Forms",
            _is_page,
            import_page,
        ),
        ImportKind("n8n", "workflows of n8n with Webhook nodes", _is_workflow, import_workflow),
        ImportKind(
            "hookdeck",
            "connections, rules or a filter of Hookdeck, as JSON",
            _is_hookdeck_file,
            import_connections,
        ),
        ImportKind(
            "convoy",
            "subscriptions, sources or a filter of Convoy, as JSON",
            _is_convoy_file,
            import_subscriptions,
        ),
    )
}


def import_files(files: list[tuple[str, str]], kind: str | None) -> ImportResult:
    """Return the import of files, given as names and texts.

    `kind` is null where each file shows its own. Raises `InvalidRequest` where a file is of no
    known kind, or cannot be read.
    """
    if len(files) > MAX_IMPORT_FILES:
        raise InvalidRequest(f"at most {MAX_IMPORT_FILES} files are imported at once")
    result = ImportResult()
    for name, text in files:
        (_find_kind(name, text) if kind is None else IMPORT_KINDS[kind]).convert(name, text, result)
    return result


def _find_kind(name: str, text: str) -> ImportKind:
    kinds = [kind for kind in IMPORT_KINDS.values() if kind.recognizes(Path(name).name, text)]
    if len(kinds) == 1:
        return kinds[0]
    if _is_document(name):
        read_document(name, text)  # which says where it cannot be read
    choices = ", ".join(f"{kind.name} ({kind.title})" for kind in IMPORT_KINDS.values())
    raise InvalidRequest(f"{name}: not a file that can be imported; --from names one of: {choices}")
