"""The scripts that build and check a release: .ci/full, deploy/build/ and deploy/debian/."""

from __future__ import annotations

import gzip
import importlib.util
import io
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest
from deploying import needs
from folders import DEPLOY, ROOT
from processes import environment

import bridge
from bridge.store.tables.schema import RELEASED_SCHEMAS

CI = ROOT / ".ci"
SHELL_SCRIPTS = sorted(
    path
    for folder in (CI, CI / "steps", DEPLOY / "build", DEPLOY / "debian")
    for path in folder.iterdir()
    if path.is_file() and path.read_bytes().startswith((b"#!/bin/", b"#!/usr/bin/env bash"))
)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("path", SHELL_SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(path: Path) -> None:
    needs("shellcheck")
    done = subprocess.run(["shellcheck", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert os.access(path, os.X_OK)


def test_the_scripts_are_found() -> None:
    names = {path.name for path in SHELL_SCRIPTS}
    assert names >= {"full", "run", "artifacts", "packages.sh", "build.sh", "postinst", "postrm"}


def test_each_step_of_the_long_checks_is_documented() -> None:
    steps = {path.name for path in (CI / "steps").iterdir()}
    listed = re.search(r"^all=\((.*)\)$", (CI / "full").read_text(), re.MULTILINE)
    page = (ROOT / "docs" / "releasing.md").read_text("utf-8")
    assert listed is not None and set(listed[1].split()) == steps
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) == steps


@pytest.mark.usefixtures("new_processes")
def test_an_unknown_step_is_refused() -> None:
    done = subprocess.run(
        [str(CI / "full"), "nothing"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "there is no step nothing" in done.stderr) == (2, True)


def test_the_summary_says_which_steps_did_not_run() -> None:
    with_step = load(CI / "summarize.py").with_step
    entry = {"result": "passed", "seconds": 3}
    first = with_step({"schema": 1}, ["soak", "peers"], "peers", entry)
    assert first["steps"] == {"soak": {"result": "not run"}, "peers": entry}
    second = with_step(first, ["soak", "peers"], "soak", {"result": "failed"})
    assert second["steps"] == {"soak": {"result": "failed"}, "peers": entry}


def test_links_of_the_readme_lead_to_the_tag() -> None:
    links = load(DEPLOY / "build" / "absolute_links.py")
    text = '[a](docs/x.md#y) [b](https://a.example/x) [c](#z) <img src="docs/flow.svg" alt="">'
    text += '<source srcset="docs/dark.png">'
    assert links.make_absolute(text, "https://h.example/f", "v1") == (
        "[a](https://h.example/f/blob/v1/docs/x.md#y) [b](https://a.example/x) [c](#z)"
        ' <img src="https://h.example/f/raw/v1/docs/flow.svg" alt="">'
        '<source srcset="https://h.example/f/raw/v1/docs/dark.png">'
    )


def test_the_address_of_the_repository_stands_in_one_place(tmp_path: Path) -> None:
    source_url = load(DEPLOY / "build" / "absolute_links.py").source_url
    setup = (ROOT / "setup.cfg").read_text("utf-8")
    prepared = "# project_urls =\n#     Source = https://HOST/OWNER/flowbridge\n"
    assert prepared in setup or source_url(ROOT)
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = x\n")
    assert source_url(tmp_path) is None
    address = "https://h.example/o/flowbridge"
    (tmp_path / "setup.cfg").write_text(
        "[metadata]\n"
        + prepared.replace("# ", "")
        .replace("#", "")
        .replace("https://HOST/OWNER/flowbridge", address)
    )
    assert source_url(tmp_path) == address
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        assert "git clone" not in page.read_text("utf-8") or page.name == "releasing.md", page


def test_each_release_has_its_schema() -> None:
    lines = (DEPLOY / "build" / "releases.txt").read_text("utf-8").splitlines()
    versions = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert list(RELEASED_SCHEMAS.values()) == versions
    assert bridge.__version__.removesuffix(".dev0") not in versions


def sdist(seconds: int, names: list[str]) -> bytes:
    out = io.BytesIO()
    with (
        gzip.GzipFile("x.tar", "wb", fileobj=out, mtime=seconds) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            entry.mtime = seconds
            entry.uname = f"user-{seconds}"
            entry.mode = 0o755 if name.endswith(".sh") else 0o640
            archive.addfile(entry, io.BytesIO(name.encode()))
    return out.getvalue()


def test_an_sdist_is_the_same_whenever_and_wherever_it_is_packed() -> None:
    repack = load(DEPLOY / "build" / "repack_sdist.py").repack
    one, other = sdist(5, ["b.sh", "a"]), sdist(77, ["a", "b.sh"])
    assert one != other and repack(one, 1000) == repack(other, 1000)
    with tarfile.open(fileobj=io.BytesIO(repack(one, 1000))) as archive:
        found = [(each.name, each.mode, each.mtime) for each in archive.getmembers()]
        assert found == [("a", 0o644, 1000), ("b.sh", 0o755, 1000)]
        content = archive.extractfile("b.sh")
        assert content is not None and content.read() == b"b.sh"


def test_the_newest_entry_of_the_changelog_is_the_newest_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## \[(.+?)\](.*)$", text, re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    released, development, _ = bridge.__version__.partition(".dev")
    newest = list(RELEASED_SCHEMAS.values())[-1] if development else released
    assert headings[1][0] == newest
    assert re.fullmatch(r" - \d{4}-\d{2}-\d{2}", headings[1][1])
    assert "docs/releasing.md#what-0x-promises" in text


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(("listed", "code"), [("/opt/flowbridge/bin/python3", 2), ("/etc/x", 0)])
def test_install_sh_refuses_to_install_over_the_debian_package(
    listed: str, code: int, tmp_path: Path
) -> None:
    fake = tmp_path / "dpkg-query"
    fake.write_text(f"#!/bin/sh\necho {listed}\n")
    fake.chmod(0o755)
    env = environment(PYTHON=sys.executable, PATH=f"{tmp_path}:{os.environ['PATH']}")
    done = subprocess.run(
        [str(DEPLOY / "install.sh"), "--dry-run"],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
    assert (done.returncode, "apt" in done.stderr) == (code, code == 2), done.stderr
