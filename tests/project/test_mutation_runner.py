"""What tests/mutation/ finds out about the tests of a small project."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from folders import ROOT

SOURCE = "bridge/answer.py"
#: As the libraries of the product do, it imports one that is a plugin of pytest, too.
CODE = "import hypothesis\n\nANSWER = 42\n"
MUTANT = CODE.replace("42", "41")
TEST_FILE = "tests/test_answer.py"
TEST = "from bridge.answer import ANSWER\n\n\ndef test_answer() -> None:\n    assert ANSWER == 42\n"
REQUEST: dict[str, Any] = {
    "files": [TEST_FILE],
    "tests": [],
    "options": [],
    "seconds": 120,
    "changed": SOURCE,
}


pytestmark = pytest.mark.usefixtures("new_processes")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a copy of the project, with the process that runs its tests."""
    folder = tmp_path_factory.mktemp("mutation")
    project = folder / "project"
    for name, text in ((SOURCE, CODE), (TEST_FILE, TEST), ("bridge/__init__.py", "")):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    shutil.copy(ROOT / "setup.cfg", project)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tests" / "mutation"))
        tree = importlib.import_module("trees").Tree(project, folder / "copy")
    yield tree
    tree.close()


def test_a_mutant_is_noticed_by_a_test_that_passes_without_it(tree: Any) -> None:
    assert tree.run_unchanged(**REQUEST)["tests"] == 1
    with tree.changed(SOURCE, MUTANT):
        mutated = tree.run(**REQUEST)
    assert (mutated["result"], mutated["failed"]) == ("noticed", f"{TEST_FILE}::test_answer")
    assert tree.run_unchanged(**REQUEST)["tests"] == 1


@pytest.mark.parametrize(
    ("code", "options", "reason"),
    [
        (MUTANT, [], f"{TEST_FILE}::test_answer: noticed. .*AssertionError"),
        (CODE, ["-p", "no_such_plugin"], f"{TEST_FILE}: error. .*no_such_plugin"),
    ],
    ids=["test_that_fails", "pytest_that_cannot_run"],
)
def test_no_mutant_is_judged_by_tests_that_fail_without_it(
    tree: Any, code: str, options: list[str], reason: str
) -> None:
    with tree.changed(SOURCE, code), pytest.raises(SystemExit, match=reason):
        tree.run_unchanged(**{**REQUEST, "options": options})
