"""Tokens of bridges in the user's config folder: one for each origin, in a file of mode 0600."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from bridge.core.errors import SettingsError

FILE_NAME: Final = "logins.json"
FOLDER_NAME: Final = "flowbridge"
MAX_FILE_BYTES: Final = 1024 * 1024
FORMAT_VERSION: Final = 1


class StoredLogins:
    """The tokens that `flowbridge login` stored."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / FILE_NAME

    @classmethod
    def of_user(cls, environ: Mapping[str, str]) -> StoredLogins:
        """Return the logins of this user, below XDG_CONFIG_HOME or ~/.config.

        https://specifications.freedesktop.org/basedir-spec/latest/
        """
        config_home = Path(environ.get("XDG_CONFIG_HOME", ""))
        base = config_home if config_home.is_absolute() else Path.home() / ".config"
        return cls(base / FOLDER_NAME)

    def find_token(self, origin: str) -> str | None:
        """Return the token for an origin, None where there is none.

        `SettingsError` where other users can read the file.
        """
        token = self._read().get(origin)
        return token if isinstance(token, str) else None

    def add(self, origin: str, token: str) -> None:
        """Store the token of an origin; it replaces an earlier one.

        Raises `SettingsError` if that fails.
        """
        with self._lock():
            self._write({**self._read(), origin: token})

    def remove(self, origin: str) -> bool:
        """Delete the token of an origin, and return whether there was one."""
        if not self.path.exists():
            return False
        with self._lock():
            logins = self._read()
            was_there = logins.pop(origin, None) is not None
            if was_there:
                self._write(logins)
        return was_there

    def _read(self) -> dict[str, Any]:
        try:
            with self.path.open("rb") as file:
                file_status = os.fstat(file.fileno())
                if file_status.st_uid != os.geteuid() or stat.S_IMODE(file_status.st_mode) & 0o077:
                    raise SettingsError(
                        f"{self.path} has tokens, and other users can access it. Next: make it your"
                        f" own with `chmod 600 {self.path}`, and replace its tokens"
                    )
                raw = file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return {}
        try:
            logins = orjson.loads(raw)["logins"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            logins = None
        if not isinstance(logins, dict) or len(raw) > MAX_FILE_BYTES:
            raise SettingsError(
                f"{self.path} is not valid: delete it, then log in again with `flowbridge login`"
            )
        return logins

    def _write(self, logins: Mapping[str, Any]) -> None:
        """Replace the file in one step, so that it is whole after a crash."""
        draft = self.path.with_suffix(f".{os.getpid()}.new")
        draft.unlink(missing_ok=True)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(
                    orjson.dumps(
                        {"version": FORMAT_VERSION, "logins": dict(logins)},
                        option=orjson.OPT_INDENT_2,
                    )
                )
                file.flush()
                os.fsync(fd)
            draft.replace(self.path)
        except BaseException:
            draft.unlink(missing_ok=True)  # it has tokens
            raise

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                yield
            finally:
                os.close(fd)
        except PermissionError:  # the command line explains it
            raise
        except OSError as error:
            raise SettingsError(f"{self.path} cannot be written: {error.strerror}") from error
