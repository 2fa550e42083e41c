"""The secret key of an installation, and the credentials of the local platform."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bridge.core.errors import SettingsError

SHORTEST = 32  # characters of a secret key


def local_credentials(environ: Mapping[str, str], data: Path, url: str) -> dict[str, Any]:
    """The secret key, and the embedded platform's credentials: derived from it, so that every
    process has the same.
    """
    key = environ.get("FLOWBRIDGE_SECRET_KEY") or ""
    if not key and not url.startswith("sqlite"):
        raise SettingsError(
            "FLOWBRIDGE_SECRET_KEY is not set: machines that share a PostgreSQL database must share"
            " it (32 or more random characters)"
        )
    key = key or _generated(data / "secret_key")
    return {
        "secret_key": key,
        "local_api_key": (
            environ.get("FLOWBRIDGE_LOCAL_API_KEY") or _derive(key, "local api key")[:32]
        ),
        "local_user_id": (
            environ.get("FLOWBRIDGE_LOCAL_USER_ID") or _derive(key, "local user id")[:28]
        ),
    }


def _derive(key: str, purpose: str) -> str:
    return hmac.digest(key.encode(), purpose.encode(), hashlib.sha256).hex()


def _generated(path: Path) -> str:
    """Return the secret in `path`, made once and readable by its owner alone; of two processes that
    make it, one wins for both.
    """
    try:
        if not path.exists():
            _make(path)
        key = path.read_text().strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SettingsError(f"the secret key cannot be kept in {path}: {reason}") from error
    if len(key) < SHORTEST:
        raise SettingsError(
            f"{path} holds no secret key of {SHORTEST} characters or more: delete the file, and a"
            " new one is made"
        )
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
