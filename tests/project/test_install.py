"""deploy/install.sh and uninstall.sh: they show what they do, do it twice as well as once, and
leave what is the operator's.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import required
from deploying import needs
from folders import DEPLOY
from processes import environment

ROOT = DEPLOY.parent
SCRIPTS = ["install.sh", "uninstall.sh", "flowbridge-replace", "flowbridge"]
Run = Callable[..., subprocess.CompletedProcess[str]]


def files(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() or path.is_symlink()
    }


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source, so that building leaves nothing in the tree."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("bridge", "deploy"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture
def run(tree: Path, tmp_path: Path, new_processes: None) -> Run:
    """Run one of the scripts; DESTDIR is `root`, which goes into no other place."""

    def script(name: str, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        env = environment(
            DESTDIR=str(tmp_path / "root"), PYTHON=sys.executable, PIP_NO_DEPS="1", **environ
        )
        return subprocess.run(
            [str(tree / "deploy" / name), *options],
            capture_output=True,
            text=True,
            check=False,
            env=env,
            cwd="/",
        )

    return script


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("name", SCRIPTS)
def test_shellcheck_finds_nothing(name: str) -> None:
    needs("shellcheck")
    done = subprocess.run(
        ["shellcheck", str(DEPLOY / name)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_can_be_run_and_are_short_enough_to_read(name: str) -> None:
    assert os.access(DEPLOY / name, os.X_OK)
    assert len((DEPLOY / name).read_text().splitlines()) < 90


def test_a_dry_run_shows_every_command_and_does_nothing(run: Run, tmp_path: Path) -> None:
    shown = run(
        "install.sh", "--dry-run", "--url", "https://hooks.example.com", "--with", "postgres"
    )
    assert shown.returncode == 0, shown.stderr
    for part in (
        "-m venv",
        (
            "--only-binary :all: --require-hashes -r deploy/requirements/base.txt -r"
            " deploy/requirements/build.txt -r deploy/requirements/postgres.txt\n"
        ),
        "--no-deps --no-build-isolation .[postgres]\n",
        "init --quiet",
        "FLOWBRIDGE_PUBLIC_URL=https://hooks.example.com",
        "flowbridge.service",
    ):
        assert part in shown.stdout
    assert shown.stdout.endswith("Nothing was done: --dry-run.\n")
    assert "FLOWBRIDGE_BACKUP" not in shown.stdout, "PostgreSQL has its own"
    assert "FLOWBRIDGE_BACKUP=daily" in run("install.sh", "--dry-run", "--with", "celery").stdout
    assert run("uninstall.sh", "--dry-run", "--purge").returncode == 0
    assert not (tmp_path / "root").exists()


TOGETHER = {"flowbridge.service", "flowbridge.socket", "flowbridge-private.socket"}


@pytest.mark.parametrize("earlier", [set(), {"flowbridge-web.service"}])
def test_only_units_that_are_used_are_installed(
    earlier: set[str], run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "root" / "etc" / "systemd" / "system"
    folder.mkdir(parents=True)
    for name in earlier:
        (folder / name).write_text("an older one\n")
    separate = {path.name for path in (DEPLOY / "systemd").iterdir()} - TOGETHER
    for options, units in (((), TOGETHER), (("--separate",), separate)):
        done = run("install.sh", "--dry-run", *options)
        installed = set(re.findall(r"install -D .* deploy/systemd/(\S+) ", done.stdout))
        assert installed == units | earlier, done.stdout


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("services", [["flowbridge"], ["flowbridge-web", "flowbridge-work@"]])
def test_the_units_of_one_way_do_without_those_of_the_other(
    services: list[str], tmp_path: Path
) -> None:
    needs("systemd-analyze")
    is_together = services == ["flowbridge"]
    for path in (DEPLOY / "systemd").iterdir():
        if (path.name in TOGETHER) == is_together:
            text = re.sub(r"(?m)^ExecStart=.*$", "ExecStart=/bin/true", path.read_text())
            (tmp_path / path.name.replace("@.", "@1.")).write_text(text)
    units = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run(
        ["systemd-analyze", "--man=no", "verify", *units],
        capture_output=True,
        text=True,
        check=False,
        env=environment(SYSTEMD_UNIT_PATH=f"{tmp_path}:"),
    )
    assert done.returncode == 0 and "flowbridge" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("script", "options", "code"),
    [
        ("install.sh", ["--help"], 2),
        ("install.sh", ["--url", "x';reboot'"], 2),
        ("install.sh", ["--url"], 2),
        ("install.sh", ["--url", "hooks.example.com"], 2),
        ("install.sh", ["--with", "celery,nothing"], 2),
        ("uninstall.sh", ["-h"], 2),
    ],
)
def test_what_it_does_not_know_it_refuses(
    script: str, options: list[str], code: int, run: Run, tmp_path: Path
) -> None:
    done = run(script, *options)
    assert done.returncode == code and not (tmp_path / "root").exists()
    assert (
        "deploy/" in done.stdout + done.stderr
        or "--url" in done.stderr
        or "no extra" in done.stderr
    )


@pytest.mark.usefixtures("new_processes")
def test_another_python_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    env = environment(DESTDIR=str(tmp_path / "root"), PYTHON=str(old))
    done = subprocess.run(
        [str(DEPLOY / "install.sh")], capture_output=True, text=True, check=False, env=env
    )
    assert (done.returncode, "python3-venv" in done.stderr) == (1, True)


def test_what_systemctl_edit_has_made_goes_with_purge_and_only_ours(
    run: Run, tmp_path: Path
) -> None:
    units = tmp_path / "root" / "etc" / "systemd" / "system"
    named = (
        "flowbridge.service",
        "flowbridge.socket",
        "flowbridge-work@.service",
        "flowbridge-work@2.service",
    )
    ours = [f"{name}.d/override.conf" for name in named]
    others = ["flowbridge-of-mine.service.d/override.conf", "caddy.service.d/flowbridge.conf"]
    for each in (*ours, *others):
        (units / each).parent.mkdir(parents=True)
        (units / each).write_text("[Service]\n")
    assert run("uninstall.sh").returncode == 0 and files(units) == {*ours, *others}
    done = run("uninstall.sh", "--purge")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in units.iterdir()} == {each.partition("/")[0] for each in others}


@pytest.fixture
def installed(run: Run, tmp_path: Path) -> Iterator[Path]:
    """What install.sh has put below a folder. The libraries are those of this Python, as fetching
    them is not what is tested here, and so is pip.
    """
    root = tmp_path / "root"
    program = root / "opt" / "flowbridge"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(program)], check=True)
    (site,) = (program / "lib").glob("python3*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (program / "bin" / "pip").write_text(f'#!/bin/sh\nexec {program}/bin/python3 -m pip "$@"\n')
    (program / "bin" / "pip").chmod(0o755)
    done = run("install.sh", "--url", "https://hooks.example.com")
    unable = re.search(
        r"No matching distribution|Could not find a version|Temporary failure|Connection",
        done.stderr,
    )
    if done.returncode and unable:
        required.skip("DEPLOY", f"no wheel can be built here: {unable[0]}")
    assert done.returncode == 0, done.stderr
    yield root


def test_it_installs_upgrades_and_uninstalls(installed: Path, run: Run) -> None:
    program = installed / "opt" / "flowbridge" / "bin" / "flowbridge"
    config = installed / "etc" / "flowbridge"
    units = {path.name for path in (installed / "etc" / "systemd" / "system").iterdir()}
    assert units == TOGETHER
    assert {"routes.yaml", ".env", "flows.py"} <= files(config)
    assert (config / ".env").stat().st_mode & 0o777 == 0o600
    assert (
        (installed / "var/lib/flowbridge").stat().st_mode & 0o777,
        config.stat().st_mode & 0o777,
    ) == (0o700, 0o750)
    checked = subprocess.run(
        [str(program), "--config", str(config / "routes.yaml"), "check"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(FLOWBRIDGE_DATA=str(installed / "var/lib/flowbridge")),
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr

    mine = (config / "routes.yaml").read_text() + "# mine\n"
    (config / "routes.yaml").write_text(mine)
    secrets = (config / ".env").read_text()
    for line in (
        "FLOWBRIDGE_PUBLIC_URL=https://hooks.example.com",
        "FLOWBRIDGE_TRUSTED_PROXIES=127.0.0.1",
        "FLOWBRIDGE_BACKUP=daily",
    ):
        assert secrets.splitlines().count(line) == 1
    (installed / "etc" / "systemd" / "system" / "flowbridge.service").write_text("an older one\n")
    again = run("install.sh", "--url", "https://elsewhere.example.com")
    assert again.returncode == 0, again.stderr
    assert ((config / "routes.yaml").read_text(), (config / ".env").read_text()) == (mine, secrets)
    unit = (installed / "etc" / "systemd" / "system" / "flowbridge.service").read_text()
    assert unit == (DEPLOY / "systemd" / "flowbridge.service").read_text()

    wants = installed / "etc" / "systemd" / "system" / "multi-user.target.wants"
    wants.mkdir()
    for name in ("flowbridge.service", "flowbridge-work@1.service", "another.service"):
        (wants / name).symlink_to(f"/etc/systemd/system/{name}")
    gone = run("uninstall.sh")
    assert gone.returncode == 0, gone.stderr
    assert not (installed / "opt" / "flowbridge").exists()
    left = files(installed)
    assert {name for name in left if "systemd" in name or "usr/" in name} == {
        "etc/systemd/system/multi-user.target.wants/another.service"
    }
    assert (config / "routes.yaml").read_text() == mine
    assert run("uninstall.sh", "--purge").returncode == 0
    assert not config.exists() and not (installed / "var/lib/flowbridge").exists()
    assert run("uninstall.sh").returncode == 0  # there is nothing left to do


def test_the_command_and_the_units_mean_the_same_files() -> None:
    said = (DEPLOY / "flowbridge").read_text()
    for unit in (DEPLOY / "systemd").glob("*.service"):
        for line in unit.read_text().splitlines():
            if line.startswith("Environment="):
                assert line.removeprefix("Environment=") in said, unit.name
