"""Files of this machine that are sent to the bridge of another: a routes.yaml with those it names.

They are read here as `check` reads them. The bridge calls the first one `routes.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bridge.config.files import FileTracker
from bridge.config.loader import check_files
from bridge.core.errors import ConfigError, ConfigProblem
from bridge.services.trials.messages import ROUTES_NAME


@dataclass(frozen=True, slots=True)
class SentFiles:
    """The text of a routes.yaml, and of the files that it names, by their path under its folder.

    `problems`: those seen here if a file that it names could not be read and is needed.
    """

    text: str
    others: dict[str, str]
    problems: list[ConfigProblem]


class TextTracker(FileTracker):
    """Reads files, and holds their bytes. `has_failed`: one could not be read."""

    def __init__(self) -> None:
        super().__init__()
        self.contents: dict[Path, bytes] = {}
        self.has_failed = False

    def read(self, file: Path, max_bytes: int) -> bytes:
        """Return the first `max_bytes` bytes of a file."""
        try:
            self.contents[file] = super().read(file, max_bytes)
        except OSError:
            self.has_failed = True
            raise
        return self.contents[file]


def read_files(file: Path) -> SentFiles:
    """Return a routes.yaml and the files that it names. No secret is read.

    Raises `ConfigError` with the problems seen here if the first cannot be read, or one is no text.
    """
    disk = TextTracker()
    checked = check_files(file, None, disk, strict_secrets=False)
    try:
        texts = {path: raw.decode("utf-8-sig") for path, raw in disk.contents.items()}
        text = texts.pop(file)
    except (KeyError, UnicodeDecodeError):
        raise ConfigError(checked.problems) from None
    others = {path.relative_to(file.parent).as_posix(): content for path, content in texts.items()}
    is_unread = disk.has_failed and checked.config is None
    return SentFiles(text, others, checked.problems if is_unread else [])


def name_here(name: str, file: Path) -> str:
    """Return the name on this machine of a file that the bridge names. `file`: the first one."""
    return str(file if name == ROUTES_NAME else file.parent / name)
