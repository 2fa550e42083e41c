"""Read the files to import, and write routes.yaml and .env without replacing anything."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from bridge.config.given_files import GivenFiles
from bridge.config.loader import check_files
from bridge.core.errors import BridgeError, ConfigError, InvalidRequest
from bridge.importers.kinds import MAX_IMPORT_BYTES


def read_texts(paths: Sequence[Path]) -> list[tuple[str, str]]:
    """Return the name and text of each file; `InvalidRequest` for one that cannot be read."""
    return [(str(path), _read_text(path)) for path in paths]


def _read_text(path: Path) -> str:
    try:
        _check_file(path)
        with path.open("rb") as file:
            raw = file.read(MAX_IMPORT_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidRequest(f"{path}: there is no such file") from None
    except OSError as error:
        raise InvalidRequest(f"{path}: it cannot be read: {error.strerror}") from None
    if len(raw) > MAX_IMPORT_BYTES:
        raise InvalidRequest(f"{path}: larger than {MAX_IMPORT_BYTES} bytes")
    if b"\0" in raw:
        raise InvalidRequest(f"{path}: not UTF-8 text (byte {raw.index(0)} is zero)")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path}: not UTF-8 text (byte {error.start})") from None
    if not text.strip():
        raise InvalidRequest(f"{path}: the file is empty")
    return text


def _check_file(path: Path) -> None:
    """Raise `InvalidRequest` for a folder, a device or a pipe, and OSError where nothing is."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise InvalidRequest(f"{path}: it is a folder; name the files in it")
    if not stat.S_ISREG(mode):
        raise InvalidRequest(f"{path}: it is a device or a pipe, not a file")


def check_routes(text: str, files: Mapping[str, str]) -> None:
    """Check the text of routes.yaml as `flowbridge check` does; `ConfigError` if it is refused.

    No secret need be set.
    """
    given_files = GivenFiles({"routes.yaml": text, **files})
    checked = check_files(Path("routes.yaml"), None, given_files)
    wrong = [problem for problem in checked.problems if problem.level == "error"]
    if wrong:
        raise ConfigError(wrong)


def write_files(folder: Path, texts: Mapping[str, tuple[str, int]]) -> list[str]:
    """Create files with their texts and modes, and return their paths.

    Raises `BridgeError` where one of them exists or cannot be written; then none is written.
    """
    paths = [folder / name for name in texts]
    for path in paths:
        if path.exists() or path.is_symlink():
            raise BridgeError(f"{path} exists, and nothing is replaced; nothing was written")
    written: list[Path] = []
    try:
        for path, (text, mode) in zip(paths, texts.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
            written.append(path)
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                os.fchmod(file.fileno(), mode)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise BridgeError(
            f"{error.filename or folder} cannot be written: {error.strerror}; nothing was written"
        ) from None
    return [str(path) for path in paths]
