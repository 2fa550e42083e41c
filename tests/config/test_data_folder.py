"""Where the store is: relative paths begin at the folder of routes.yaml, and an earlier store at
the current folder is never ignored without a word.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import run

from bridge.config.settings import Settings, load_settings, merge_dotenv
from bridge.core.errors import SettingsError

ROUTES = "sources: {}\nflows: {}\nroutes: []\n"


@pytest.fixture
def project(folder: Path) -> Path:
    """A project in a folder of the current one."""
    project = folder / "my project"
    project.mkdir()
    (project / "routes.yaml").write_text(ROUTES)
    return project


def load(project: Path, **environ: str) -> Settings:
    own = {f"FLOWBRIDGE_{name.upper()}": value for name, value in environ.items()}
    return load_settings(own, config=str(project / "routes.yaml"), secrets=False)


def make_file(*parts: Path | str) -> Path:
    file = Path(*parts)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    return file


@pytest.mark.parametrize(
    ("environ", "data", "file"),
    [
        ({}, "data", "data/flowbridge.db"),
        ({"data": ""}, "data", "data/flowbridge.db"),
        ({"data": " "}, "data", "data/flowbridge.db"),
        ({"data": "my store"}, "my store", "my store/flowbridge.db"),
        ({"data": "../store"}, "../store", "../store/flowbridge.db"),
        ({"database_url": "sqlite:///db/x.db"}, "data", "db/x.db"),
        ({"database_url": "sqlite+pysqlite:///x.db?timeout=3"}, "data", "x.db?timeout=3"),
    ],
)
def test_relative_paths_begin_beside_routes(
    project: Path, environ: dict[str, str], data: str, file: str
) -> None:
    settings = load(project, **environ)
    scheme = environ.get("database_url", "sqlite").partition(":")[0]
    assert settings.data == project / data
    assert settings.database_url == f"{scheme}:///{project / file}"
    assert settings.backups == project / data / "backups"
    assert settings.unused_stores == ()


def test_relative_backups_begin_beside_routes(project: Path) -> None:
    assert load(project, backups="copies").backups == project / "copies"


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "postgresql://u@h/data", "sqlite:////srv/x.db"]
)
def test_absolute_paths_and_other_databases_stay(project: Path, folder: Path, url: str) -> None:
    make_file(folder, "data", "flowbridge.db")
    settings = load(project, data="/srv/flowbridge", database_url=url)
    assert (settings.data, settings.database_url) == (Path("/srv/flowbridge"), url)


def test_a_link_counts_with_the_folder_it_is_in(project: Path, folder: Path) -> None:
    (folder / "linked").mkdir()
    (folder / "linked" / "routes.yaml").symlink_to(project / "routes.yaml")
    (folder / "linked" / ".env").write_text("FLOWBRIDGE_DATA=store\n")
    assert load(folder / "linked").data == folder / "linked" / "store"


@pytest.mark.parametrize(
    ("environ", "made", "variable", "earlier", "now"),
    [
        ({}, "data/flowbridge.db", "DATA", "{folder}/data", "'{project}/data'"),
        ({"data": "s"}, "s/flowbridge.db", "DATA", "{folder}/s", "'{project}/s'"),
        (
            {"database_url": "sqlite:///x.db"},
            "x.db",
            "DATABASE_URL",
            "sqlite:///{folder}/x.db",
            "'sqlite:///{project}/x.db'",
        ),
        (
            {"database_url": "postgresql://u@h/d"},
            "data/secret_key",
            "DATA",
            "{folder}/data",
            "'{project}/data'",
        ),
    ],
)
def test_an_earlier_store_is_named(
    project: Path,
    folder: Path,
    environ: dict[str, str],
    made: str,
    variable: str,
    earlier: str,
    now: str,
) -> None:
    file = make_file(folder, made)
    dotenv = "".join(f"FLOWBRIDGE_{name.upper()}={value}\n" for name, value in environ.items())
    (project / ".env").write_text(dotenv)
    with pytest.raises(SettingsError) as raised:
        load(project)
    message = str(raised.value)
    paths = {"folder": folder, "project": project}
    lines = [f"FLOWBRIDGE_{variable}={place.format(**paths)}" for place in (earlier, now)]
    assert message.startswith(f"{file} exists, but {project}")
    assert f"Add a line to {project}/.env" in message
    for line in lines:
        assert f"  {line}  # " in message
        # what the message says works
        given = merge_dotenv({}, dotenv + line)
        assert load_settings(given, config=str(project / "routes.yaml"), secrets=False)


def test_the_environment_is_named_where_it_precedes_the_file(project: Path, folder: Path) -> None:
    make_file(folder, "data", "flowbridge.db")
    with pytest.raises(SettingsError, match="Set it in the environment, one of these"):
        load(project, data="data")


def test_of_two_stores_the_new_one_is_used(project: Path, folder: Path) -> None:
    earlier = make_file(folder, "data", "flowbridge.db")
    make_file(project, "data", "flowbridge.db")
    settings = load(project)
    assert settings.data == project / "data"
    assert settings.unused_stores == (earlier,)
    (folder / "data" / "flowbridge.db").unlink()
    assert load(project).unused_stores == ()


def test_a_link_to_the_same_store_is_no_other_store(project: Path, folder: Path) -> None:
    make_file(project, "data", "flowbridge.db")
    (folder / "data").symlink_to(project / "data")
    assert load(project).unused_stores == ()


@pytest.mark.parametrize(
    "command", [["events"], ["status"], ["check"], ["serve"], ["test"], ["add", "github"]]
)
def test_every_command_refuses_a_folder_in_place_of_routes(
    project: Path, command: list[str]
) -> None:
    result = run("--config", str(project), *command)
    assert result.exit_code == 2
    assert f"{project} is a folder: name the file in it" in result.output


@pytest.mark.parametrize(
    "command",
    [["events"], ["status"], ["check"], ["serve"], ["work"], ["db", "check"], ["doctor"]],
)
def test_every_command_refuses_to_look_elsewhere(
    project: Path, folder: Path, command: list[str]
) -> None:
    make_file(folder, "data", "flowbridge.db")
    result = run("--config", str(project / "routes.yaml"), *command)
    assert result.exit_code == 2
    assert f"FLOWBRIDGE_DATA={folder}/data" in result.output
    assert not (project / "data").exists()


def test_a_command_warns_once_of_a_store_that_it_does_not_use(
    project: Path, folder: Path, migrated_file: Path
) -> None:
    earlier = make_file(folder, "data", "flowbridge.db")
    make_file(project, "data", "flowbridge.db").write_bytes(migrated_file.read_bytes())
    result = run("--config", str(project / "routes.yaml"), "events")
    assert result.exit_code == 0
    assert result.stderr.count(f"warning: {earlier} is not used") == 1


@pytest.mark.parametrize("command", [["events"], ["check"], ["serve"]])
def test_a_folder_is_no_configuration(project: Path, command: list[str]) -> None:
    result = run("--config", str(project), *command)
    assert result.exit_code == 2
    assert f"name the file in it, such as {project}/routes.yaml" in result.output
