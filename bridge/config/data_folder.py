"""Finds the store of an installation: relative paths begin at the folder of routes.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from bridge.config.local_credentials import KEY_FILE
from bridge.core.errors import SettingsError

DEMO_FOLDER_PREFIX: Final = "flowbridge-demo-"  # of the temporary folders of demos

DATA_VARIABLE = "FLOWBRIDGE_DATA"
URL_VARIABLE = "FLOWBRIDGE_DATABASE_URL"
STORE_FILE = "flowbridge.db"  # in the data folder
_SQLITE_PATH = re.compile(r"(?P<scheme>sqlite(?:\+\w+)?:///)(?P<path>[^?]+)(?P<query>\?.*)?", re.S)


class StorePaths(NamedTuple):
    """Where the data of an installation is.

    `unused`: files that versions before 0.3.0 used, where others are used now.
    """

    data: Path
    database_url: str
    unused: tuple[Path, ...] = ()


class _Place(NamedTuple):
    """A variable, its value with an absolute path, and the files that are there once it is used."""

    variable: str
    value: str
    files: tuple[Path, ...]

    def find_used(self) -> Path | None:
        return next((file for file in self.files if file.exists()), None)


def find_store(config: Path, own: Mapping[str, str], environ: Mapping[str, str]) -> StorePaths:
    """Return where the store of a routes.yaml is. `environ` is `own` with the variables of `.env`.

    A relative FLOWBRIDGE_DATA, and a relative path of SQLite, begin at the folder of routes.yaml,
    as the path of that file was written: links are not followed. Before 0.3.0 they began at the
    current folder. Raises `SettingsError` where only the earlier place is in use.
    """
    refuse_folder(config)
    paths = _resolve(config.absolute().parent, environ)
    unused = []
    for now, earlier in zip(
        _list_places(paths, environ),
        _list_places(_resolve(Path.cwd(), environ), environ),
        strict=True,
    ):
        used, used_earlier = now.find_used(), earlier.find_used()
        if used_earlier is None or now.value == earlier.value:
            continue
        if used is None:
            raise SettingsError(_explain_earlier(now, earlier, used_earlier, config, own))
        if not used.samefile(used_earlier):
            unused.append(used_earlier)
    return paths._replace(unused=tuple(unused))


def refuse_folder(config: Path) -> None:
    """Raise `SettingsError` where the path of a routes.yaml is that of a folder."""
    if config.is_dir():
        file = config / "routes.yaml"
        raise SettingsError(f"{config} is a folder: name the file in it, such as {file}")


def explain_unused(file: Path, config: Path) -> str:
    """Return that a file which an earlier version used is there, and is not used."""
    return (
        f"{file} is not used: relative paths begin at the folder of {config.absolute()}. Delete it"
        " or move it away to end this warning"
    )


def _resolve(folder: Path, environ: Mapping[str, str]) -> StorePaths:
    """Return the paths where relative ones begin at `folder`."""
    data = folder / (value if (value := environ.get(DATA_VARIABLE, "")).strip() else "data")
    url = environ.get(URL_VARIABLE)
    if not url:
        return StorePaths(data, f"sqlite:///{data / STORE_FILE}")
    match = _SQLITE_PATH.fullmatch(url)
    if match is None or match["path"] == ":memory:" or match["path"].startswith("file:"):
        return StorePaths(data, url)
    return StorePaths(data, f"{match['scheme']}{folder / match['path']}{match['query'] or ''}")


def _list_places(paths: StorePaths, environ: Mapping[str, str]) -> list[_Place]:
    """Return the data folder, and the database where a variable says where it is."""
    data = _Place(DATA_VARIABLE, str(paths.data), (paths.data / KEY_FILE, paths.data / "files"))
    if not environ.get(URL_VARIABLE):
        return [data._replace(files=(paths.data / STORE_FILE,))]
    match = _SQLITE_PATH.fullmatch(paths.database_url)
    files = () if match is None else (Path(match["path"]),)
    return [_Place(URL_VARIABLE, paths.database_url, files), data]


def _explain_earlier(
    now: _Place, earlier: _Place, used: Path, config: Path, own: Mapping[str, str]
) -> str:
    """Return that only an earlier version's place is in use, and how to choose either place.

    A variable of the environment precedes that of `.env`.
    """
    variable = now.variable
    env_file = config.absolute().parent / ".env"
    where = "Set it in the environment" if own.get(variable) else f"Add a line to {env_file}"
    return (
        f"{used} exists, but {now.files[0]} does not: a relative {variable} begins at the folder of"
        f" {config.name} now, no longer at the current folder. {where}, one of these:\n"
        f"  {variable}={_quote(earlier.value)}  # use the existing one\n"
        f"  {variable}={_quote(now.value)}  # start with an empty one"
    )


def _quote(value: str) -> str:
    """Return a value as `.env` and a shell read it."""
    if re.fullmatch(r"[\w./:+?=&@%~-]+", value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
