"""Files of a configuration, read with bounds and watched for changes."""

from __future__ import annotations

import errno
import hashlib
import json
import stat
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from bridge.config.problems import Report
from bridge.config.yaml_reader import YamlFile, read_yaml
from bridge.core.errors import CompileError

MAX_FILE_BYTES = 4 * 1024 * 1024
Answer = object  # compared with a later answer: a digest, an error number, a list of names


class NotRegularFile(OSError):
    """A file that has to be read again is a pipe or the like, which can be read only once."""


class FileTracker:
    """Reads files, and remembers each read to detect changes later; a missing file counts too.

    With `again`, the files are read repeatedly, so a file that can be read only once, such as a
    pipe, is an error.
    """

    def __init__(self, *, again: bool = False) -> None:
        self._again = again
        self._asked: dict[tuple[Callable[..., Answer], tuple[object, ...]], Answer] = {}

    def read(self, file: Path, max_bytes: int) -> bytes:
        """Return the first `max_bytes` bytes of a file; OSError if it cannot be read."""
        try:
            if self._again and not stat.S_ISREG(file.stat().st_mode):
                raise NotRegularFile(
                    errno.EINVAL, "it is not a regular file, so it cannot be read again"
                )
            raw = _read(file, max_bytes)
        except OSError as error:
            self._asked[_content, (file, max_bytes)] = error.errno
            raise
        self._asked[_content, (file, max_bytes)] = _digest(raw)
        return raw

    def find_files(self, folder: Path, pattern: str) -> list[Path]:
        """Return the files under `folder` whose names match a pattern."""
        files = _names(folder, pattern)
        self._asked[_names, (folder, pattern)] = files
        return files

    def is_inside(self, folder: Path, name: str) -> bool:
        """Return whether `name` stays inside `folder`, also after following links.

        Raises OSError or ValueError if it is not a file name.
        """
        result = _is_inside(folder, name)
        self._asked[_is_inside, (folder, name)] = result
        return result

    def has_changed(self) -> bool:
        """Return whether any of the reads would give another result now."""
        return any(
            _answer_now(question, of) != answer for (question, of), answer in self._asked.items()
        )


def _read(file: Path, max_bytes: int) -> bytes:
    with file.open("rb") as stream:
        return stream.read(max_bytes)


def _digest(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()  # a digest, since the content may be a secret


def _content(file: Path, max_bytes: int) -> Answer:
    if not stat.S_ISREG(file.stat().st_mode):
        return errno.EINVAL
    return _digest(_read(file, max_bytes))


def _names(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def _is_inside(folder: Path, name: str) -> bool:
    root = folder.resolve()
    return (root / name).resolve().is_relative_to(root)


def _answer_now(question: Callable[..., Answer], of: tuple[object, ...]) -> Answer:
    try:
        return question(*of)
    except OSError as error:
        return error.errno
    except (ValueError, RuntimeError, NotImplementedError) as error:
        return type(error)


class ConfigFolder:
    """The folder of routes.yaml: reads files inside it only, also through links, and lists them."""

    def __init__(
        self, path: Path, texts: Mapping[str, str] | None = None, disk: FileTracker | None = None
    ) -> None:
        self.path = path
        self.disk = disk or FileTracker()
        #: text of each schema and page, by its path under the folder
        self.texts: dict[str, str] = dict(texts or {})
        #: text of each included file, by its path under the folder
        self.included: dict[str, str] = {}
        self.read: list[str] = []
        self.frozen = texts is not None  #: only `texts` are used, and no file is read

    def find(self, name: str) -> Path:
        """Return the path of the file `name`; CompileError if it is outside the folder."""
        try:
            inside = not PurePosixPath(name).is_absolute() and self.disk.is_inside(self.path, name)
        except (ValueError, OSError, RuntimeError):  # not a file name, or links in a circle
            raise CompileError("not the name of a file") from None
        if not inside:
            raise CompileError(f"`{name}` leads out of the folder of routes.yaml")
        return self.path / name

    def read_text(self, file: Path) -> str:
        """Return the text of `file`; CompileError if it cannot be read."""
        try:
            raw = self.disk.read(file, MAX_FILE_BYTES + 1)
        except OSError as error:
            raise CompileError(
                f"cannot read {file}: {(error.strerror or 'error').lower()}"
            ) from None
        if len(raw) > MAX_FILE_BYTES:
            raise CompileError(f"{file} is larger than {MAX_FILE_BYTES} bytes")
        self.read.append(str(file))
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise CompileError(f"{file} is not UTF-8 text") from None

    def read_schema(self, name: str) -> Any:
        """Return the parsed schema file `name` (a path under the folder), or raise CompileError."""
        name = str(PurePosixPath(name))
        return parse_schema(self.read_part(name), name)

    def read_part(self, name: str) -> str:
        """Return the text of the file `name` and make it part of the configuration.

        `name` is a path under the folder. Raises CompileError if it cannot be read.
        """
        name = str(PurePosixPath(name))
        if name not in self.texts:
            if self.frozen:
                raise CompileError(f"`{name}` is not part of this configuration")
            self.texts[name] = self.read_text(self.find(name))
        return self.texts[name]


def parse_schema(text: str, name: str) -> Any:
    """Return the document of a schema file: YAML if its name ends so, else JSON."""
    if name.endswith((".yaml", ".yml")):
        report = Report(name)
        document = read_yaml(YamlFile(name, text), report)
        if report.failed:
            raise CompileError(report.describe_first())
        return document
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise CompileError(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except ValueError:  # Python reads integers of some thousand digits
        raise CompileError(f"{name}: a number has too many digits") from None
    except RecursionError:
        raise CompileError(f"{name}: nests too deep") from None
