"""The fingerprint of the tested code: its commit, and a hash that sha256sum reproduces."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.torture import environment

pytestmark = pytest.mark.usefixtures("new_processes")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    (folder / "below" / "__pycache__").mkdir(parents=True)
    for name in ("__init__.py", "b.py", "below/a.txt", "below-b.py", "below/__pycache__/a.pyc"):
        (folder / name).write_text(name)
    return folder


def test_the_digest_is_what_sha256sum_says_and_changes_with_a_file(package: Path) -> None:
    said = "find . -type f ! -path '*/__pycache__/*' | LC_ALL=C sort | xargs sha256sum | sha256sum"
    by_hand = subprocess.run(
        ["sh", "-c", said], cwd=package, capture_output=True, text=True, check=True
    ).stdout.split()[0]
    assert environment.hash_package(package) == by_hand
    (package / "below" / "__pycache__" / "a.pyc").write_text("compiled again")
    assert environment.hash_package(package) == by_hand
    (package / "below" / "a.txt").write_text("changed")
    assert environment.hash_package(package) != by_hand


def git(folder: Path, *command: str) -> str:
    asked = [
        "git",
        "-c",
        "user.name=n",
        "-c",
        "user.email=e@example.com",
        "-C",
        str(folder),
        *command,
    ]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def test_the_commit_is_that_of_the_checkout_that_the_package_belongs_to(package: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    assert environment.describe_code(package) == {
        "commit": None,
        "changed": None,
        "sha256": environment.hash_package(package),
    }
    git(package.parent, "init", "--quiet")
    git(package.parent, "commit", "--quiet", "--allow-empty", "-m", "of another project")
    # installed below a checkout of another project
    assert environment.describe_code(package)["commit"] is None
    git(package.parent, "add", "package")
    git(package.parent, "commit", "--quiet", "-m", "x")
    found = environment.describe_code(package)
    assert (found["commit"], found["changed"]) == (git(package, "rev-parse", "HEAD"), False)
    (package / "b.py").write_text("changed")
    assert environment.describe_code(package)["changed"] is True
