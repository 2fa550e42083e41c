"""Copies of the tree in which files are changed, each with the process that runs tests in it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

LEFT_OUT = (
    ".git",
    ".venv",
    ".cache",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "node_modules",
    "build",
    "dist",
    "data",
)


def copy_tree(root: Path, to: Path) -> None:
    """Copy what is needed to run the tests, with what is compiled of it."""
    top = {str(root / name) for name in LEFT_OUT}
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(
        root,
        to,
        symlinks=True,
        ignore=lambda folder, names: [name for name in names if os.path.join(folder, name) in top],  # noqa: PTH118
    )


def digest(root: Path, files: Iterator[Path]) -> str:
    """Return a digest of files, by their paths and what they hold."""
    known = hashlib.sha256()
    for file in sorted(files):
        known.update(
            f"{file.relative_to(root)}\0".encode() + hashlib.sha256(file.read_bytes()).digest()
        )
    return known.hexdigest()[:16]


class Tree:
    """One copy. It is used by one thread."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder / "tree"
        self._scratch = folder
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        copy_tree(root, self.folder)
        self._server: subprocess.Popen[str] | None = None

    def warm(self, test_files: Sequence[str]) -> None:
        """Compile everything once: runs do not write what they compile, as a mutant could be as
        long and as old as what it replaces.
        """
        environ = {**os.environ, "PYTHONPATH": str(self.folder)}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run(
            [sys.executable, "-m", "compileall", "-q", "bridge"],
            cwd=self.folder,
            env=environ,
            check=True,
        )
        collect = [
            sys.executable,
            "-m",
            "pytest",
            "--collect-only",
            "-q",
            "-n0",
            "-p",
            "no:cacheprovider",
            *test_files,
        ]
        subprocess.run(collect, cwd=self.folder, env=environ, check=True, stdout=subprocess.DEVNULL)

    @contextmanager
    def changed(self, file: str, code: str) -> Iterator[None]:
        """Have a file say something else meanwhile."""
        path = self.folder / file
        was = path.read_bytes()
        times = path.stat()
        compiled = Path(cache_from_source(str(path)))
        kept = compiled.read_bytes() if compiled.exists() else None
        compiled.unlink(missing_ok=True)
        path.write_text(code)
        try:
            yield
        finally:
            path.write_bytes(was)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
            if kept is not None:
                compiled.write_bytes(kept)

    def run(self, **request: object) -> Mapping[str, Any]:
        """Run tests: see `server`."""
        if self._server is None or self._server.poll() is not None:
            self._server = self._begin()
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process that runs tests has ended: {self._server.wait()}")
        known: Mapping[str, Any] = json.loads(answer)
        return known

    def run_unchanged(self, **request: object) -> Mapping[str, Any]:
        """Run tests without a mutant. Where they fail, end the program: what they say of a mutant
        means nothing.
        """
        said = self.run(**request)
        if said["result"] != "passed":
            tests = said.get("failed") or ", ".join(request["files"])  # type: ignore[call-overload]
            why = said.get("why", "").strip().rpartition("\n")[2]
            raise SystemExit(f"Without a mutant, {tests}: {said['result']}. {why}")
        return said

    def _begin(self) -> subprocess.Popen[str]:
        environ = {
            name: value for name, value in os.environ.items() if not name.startswith("FLOWBRIDGE_")
        }
        environ |= {
            "PYTHONPATH": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
        }
        command = [
            sys.executable,
            str(Path(__file__).with_name("server.py")),
            str(self.folder),
            str(self._scratch),
        ]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End the process."""
        if self._server is not None:
            self._server.communicate(timeout=60)
