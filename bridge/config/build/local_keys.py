"""Build the `keys` of a local platform: further API keys, their users and their flows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bridge.config.problems import Path, Report
from bridge.routing.model import LocalKey

if TYPE_CHECKING:
    from bridge.config.schema.platforms import FlowSchema, LocalKeySchema, LocalSchema

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
USER_ID_PATTERN = re.compile(r"[!-~]{1,100}")  # it is sent in a header
_HASH_PATTERN = re.compile(r"sha256:([0-9a-f]{64})")
_HASH_HELP = "needs sha256: and the 64 digits that `printf %s KEY | sha256sum` prints"
_EMPTY_KEY_HASHES = {hashlib.sha256(nothing).hexdigest() for nothing in (b"", b"\n")}


def build_keys(
    model: LocalSchema, platform: str, flows: Mapping[str, FlowSchema], report: Report
) -> tuple[LocalKey, ...]:
    """Return the keys of the local platform `platform`.

    `flows` are those of the document: a key may name them, or use saved_item_ids.
    """
    keys: list[LocalKey] = []
    for index, key_model in enumerate(model.keys or ()):
        path: Path = ("platforms", platform, "keys", index)
        for key, problem in _find_problems(key_model, keys):
            report.add((*path, key), problem)
        allowed = _allowed_flows(key_model, platform, flows, path, report)
        user_id = (
            default_user_id(key_model.name)
            if key_model.user_id is None and allowed is not None
            else key_model.user_id
        )
        keys.append(
            LocalKey(
                name=key_model.name,
                hash=_parse_hash(key_model.hash),
                user_id=user_id,
                flows=allowed,
            )
        )
    return tuple(keys)


def default_user_id(name: str) -> str:
    """Return the default user of a key with `flows`: it must not see files of other users."""
    return f"key-{name}"


def _find_problems(model: LocalKeySchema, earlier: list[LocalKey]) -> list[tuple[str, str]]:
    digest = _parse_hash(model.hash)
    same = next((local_key.name for local_key in earlier if local_key.hash == digest), None)
    rows = (
        (
            "name",
            not NAME_PATTERN.fullmatch(model.name),
            f"`{model.name[:80]}` is not a name; allowed: letters, digits, - _ .",
        ),
        (
            "name",
            any(local_key.name == model.name for local_key in earlier),
            f"the name `{model.name[:80]}` is used twice",
        ),
        ("hash", not digest, _HASH_HELP),
        ("hash", digest in _EMPTY_KEY_HASHES, f"this is the hash of an empty key; {_HASH_HELP}"),
        (
            "hash",
            bool(digest) and same is not None,
            f"the same key as `{same}`; a key has one user and one list of flows",
        ),
        (
            "user_id",
            model.user_id is not None and not USER_ID_PATTERN.fullmatch(model.user_id),
            "needs 1 to 100 ASCII letters, digits or signs, without blanks",
        ),
    )
    return [(key, problem) for key, wrong, problem in rows if wrong]


def _parse_hash(text: str) -> str:
    match = _HASH_PATTERN.fullmatch(text.strip().lower())
    return match[1] if match else ""


def _allowed_flows(
    model: LocalKeySchema,
    platform: str,
    flows: Mapping[str, FlowSchema],
    path: Path,
    report: Report,
) -> frozenset[str] | None:
    if model.flows is None:
        return None
    flow_ids = set()
    for index, name in enumerate(model.flows):
        flow = flows.get(name)
        if flow is not None and flow.platform != platform:
            report.add(
                (*path, "flows", index),
                f"the flow `{name}` is on the platform `{flow.platform}`, not on `{platform}`",
            )
        if not name.strip():
            report.add((*path, "flows", index), "must not be empty")
        flow_ids.add(name if flow is None else flow.saved_item_id)
    return frozenset(flow_ids)
