"""The secret key of an installation, and the credentials of the local platform."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from bridge.core.errors import SettingsError

MIN_KEY_LENGTH = 32  # characters of a secret key
KEY_VARIABLE: Final = "FLOWBRIDGE_SECRET_KEY"
KEY_FILE: Final = "secret_key"  # in the data folder


def derive_local_credentials(environ: Mapping[str, str], data: Path, url: str) -> dict[str, Any]:
    """Return the secret key and the local platform's credentials, as fields of `Settings`.

    The credentials are derived from the key, so that every process has the same ones.
    """
    key = environ.get(KEY_VARIABLE) or ""
    if not key and not url.startswith("sqlite"):
        raise SettingsError(
            "FLOWBRIDGE_SECRET_KEY is not set: machines that share a PostgreSQL database must share"
            " it (32 or more random characters)"
        )
    key = key or _read_key(data / KEY_FILE, creates=True)
    return {
        "secret_key": key,
        "local_api_key": (
            environ.get("FLOWBRIDGE_LOCAL_API_KEY") or _derive_key(key, "local api key")[:32]
        ),
        "local_user_id": (
            environ.get("FLOWBRIDGE_LOCAL_USER_ID") or _derive_key(key, "local user id")[:28]
        ),
    }


def _derive_key(key: str, purpose: str) -> str:
    return hmac.digest(key.encode(), purpose.encode(), hashlib.sha256).hex()


def find_secret_key(environ: Mapping[str, str], data: Path) -> str:
    """Return the secret key that the bridge uses; empty before it has created one."""
    path = data / KEY_FILE
    return environ.get(KEY_VARIABLE) or (_read_key(path) if path.exists() else "")


def _read_key(path: Path, *, creates: bool = False) -> str:
    """Return the secret key stored in `path`; with `creates`, create it if there is none.

    Only its owner can read the file. If two processes create it at once, both use the same key.
    """
    try:
        if creates and not path.exists():
            _create_key(path)
        key = path.read_text().strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SettingsError(f"cannot store the secret key in {path}: {reason}") from error
    if len(key) < MIN_KEY_LENGTH:
        raise SettingsError(
            f"{path} has no secret key of at least {MIN_KEY_LENGTH} characters: delete the file,"
            " and flowbridge creates a new key"
        )
    return key


def _create_key(path: Path) -> None:
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
