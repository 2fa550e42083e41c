"""Mutation testing: change the code in one place at a time, and see whether a test notices. See
README.md beside this file.

python tests/mutation/run.py known            # the mutants that were made by hand: each is to be
noticed python tests/mutation/run.py sample           # 300 generated ones: 95 % are to be noticed
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

import equivalent
import generate
import known
import lines
import targets
from generate import Mutant
from trees import Tree

ROOT = Path(__file__).parents[2]
SEED = 15
SIZE = 300
LEAST = 0.95  # of the generated mutants that are not equivalent
# the tests that are run first, and how long they take without a mutant
FIRST_TESTS = 200
FIRST_SECONDS = 40.0
# the same for the others that execute the line
MORE_TESTS = 1000
MORE_SECONDS = 240.0
SERVER_TESTS = 60  # those of them that are run on PostgreSQL
# the tests that are to pass without a mutant
CHECK_TESTS = 60
CHECK_SECONDS = 10.0
# a test may take so many times as long as without a mutant, and so much longer
PATIENCE = 10.0
EACH_SECONDS = 30.0
WHOLE_SECONDS = 900.0  # for a test file of which it is not known how long it takes


@dataclass(frozen=True, slots=True)
class Step:
    """One run of pytest: test files, the tests in them (all where none are named), and how long all
    and `each` may take.
    """

    files: tuple[str, ...]
    tests: tuple[str, ...]
    seconds: float
    each: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Result:
    """What became of a mutant: `noticed` (by the test `by`), `timeout`, `survived` or `stale` (its
    old text is not in the file).
    """

    id: str
    title: str
    operator: str
    result: str = "survived"
    by: str = ""
    why: str = ""
    ran: list[str] = field(default_factory=list)
    seconds: float = 0.0
    code: str = ""

    @property
    def is_noticed(self) -> bool:
        """Whether a test or the time limit has noticed it."""
        return self.result in {"noticed", "timeout", "error"}


def steps_for(found: lines.Known, mutant: Mutant, named: Sequence[str] = ()) -> list[Step]:
    """Return the runs that are to notice a mutant: fast tests that execute its lines, all that do,
    then whole files.

    `named`: the test files that alone are to notice it, where those are known.
    """
    text = (ROOT / mutant.file).read_text()
    tests = lines.tests_of(found, mutant.file, text, range(mutant.first, mutant.last + 1))
    if named:
        tests = {each for each in tests if each.partition("::")[0] in named}
    own = {name for each in known.KNOWN if each["file"] == mutant.file for name in each["tests"]}
    own.update(targets.test_files(ROOT, mutant.file)[:1])
    ordered = _ordered(tests, found.seconds, own)
    first = _within(ordered, found.seconds, FIRST_SECONDS, FIRST_TESTS)
    # PostgreSQL alone
    only = set(named or targets.test_files(ROOT, mutant.file)) - {
        each.partition("::")[0] for each in found.seconds
    }
    servers = sorted(each for each in found.postgres if each.partition("::")[0] in only)
    servers += [
        twin for each in ordered if (twin := each.replace("sqlite", "postgresql")) in found.postgres
    ]
    files = {each.partition("::")[0] for each in tests}
    servers += sorted(
        each
        for each in found.postgres
        if "postgresql" not in each and each.partition("::")[0] in files
    )
    more = _within(
        [each for each in ordered if each not in set(first)],
        found.seconds,
        MORE_SECONDS,
        MORE_TESTS,
    )
    steps = [_step(found, each) for each in (first, more, servers[:SERVER_TESTS]) if each]
    whole = named or targets.test_files(ROOT, mutant.file, wider=True)
    return [*steps, *(Step((each,), (), WHOLE_SECONDS) for each in whole)]


def _ordered(tests: Iterable[str], seconds: Mapping[str, float], own: Collection[str]) -> list[str]:
    """Return the tests of the own files of the subject first, then the fastest; the many cases of
    one test are no more than a few.
    """
    rank: Counter[str] = Counter()
    places: dict[str, tuple[bool, float, str]] = {}
    for test in sorted(tests, key=lambda each: (seconds.get(each, 0.0), each)):
        function = test.partition("[")[0]
        places[test] = (
            test.partition("::")[0] not in own,
            seconds.get(test, 0.0) + 0.1 * rank[function],
            test,
        )
        rank[function] += 1
    return sorted(places, key=places.__getitem__)


def _within(
    tests: Sequence[str], seconds: Mapping[str, float], most: float, number: int
) -> list[str]:
    chosen = []
    spent = 0.0
    for test in tests[:number]:
        spent += seconds.get(test, 0.0)
        if chosen and spent > most:
            break
        chosen.append(test)
    return chosen


def _step(found: lines.Known, tests: Sequence[str]) -> Step:
    files = tuple(dict.fromkeys(test.partition("::")[0] for test in tests))
    # by file: what its tests share is made by whichever comes first, and was not when they were
    # traced
    longest: dict[str, float] = {}
    for test, seconds in found.seconds.items():
        longest[test.partition("::")[0]] = max(seconds, longest.get(test.partition("::")[0], 0.0))
    each = {
        test: (
            EACH_SECONDS
            + PATIENCE * found.seconds.get(test.replace("postgresql", "sqlite"), 1.0)
            + longest.get(test.partition("::")[0], 0.0)
        )
        for test in tests
    }
    return Step(files, tuple(tests), sum(each.values()), each)


def try_mutant(tree: Tree, mutant: Mutant, steps: Sequence[Step]) -> Result:
    """Run the steps with the mutant until one notices."""
    result = Result(mutant.id, mutant.title, mutant.operator, code=digest_of(mutant.code))
    began = time.monotonic()
    for step in steps:
        with tree.changed(mutant.file, mutant.code):
            said = tree.run(**_request(step, mutant.file))
        result.ran.append(f"{len(step.tests) or 'all'} tests of {', '.join(step.files)}")
        if said["result"] == "passed":
            continue
        if not step.tests:
            _require_pass(tree, step, mutant.file)
        result.result = said["result"]
        result.by = said.get("failed") or ""
        result.why = said.get("why", "").strip()[-300:]
        break
    result.seconds = round(time.monotonic() - began, 1)
    return result


def _request(step: Step, changed: str) -> dict[str, Any]:
    return {
        "files": step.files,
        "tests": step.tests,
        "options": ["-x"],
        "seconds": step.seconds,
        "each": step.each,
        "changed": changed,
    }


def _require_pass(tree: Tree, step: Step, changed: str) -> None:
    """Run whole test files without a mutant, once each: they were not traced."""
    if step.files not in _PASSED:
        tree.run_unchanged(**_request(step, changed))
        _PASSED.add(step.files)


_PASSED: set[tuple[str, ...]] = set()


def digest_of(text: str) -> str:
    """Return a short digest of a text."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:16]


def known_mutants() -> tuple[list[tuple[Mutant, list[str]]], list[Result]]:
    """Return the mutants made by hand with their tests, and those whose old text is not in the code
    any more.
    """
    found = []
    stale = []
    for each in known.KNOWN:
        text = (ROOT / each["file"]).read_text()
        if text.count(each["old"]) != 1:
            stale.append(
                Result(
                    each["name"],
                    f"{each['file']}: its old text is there {text.count(each['old'])} times",
                    "by hand",
                    "stale",
                )
            )
            continue
        code = text.replace(each["old"], each["new"])
        mutant = generate.mutant_of(
            each["file"], text, code, name=each["name"], function="", operator="by hand"
        )
        found.append((mutant, [name for name in each["tests"] if (ROOT / name).exists()]))
    return found, stale


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants and print the score; 1 where it is too low."""
    given = _parser().parse_args(arguments)
    scratch: Path = given.scratch
    scratch.mkdir(parents=True, exist_ok=True)
    say = _Saying()
    wanted, results = _wanted(given)
    if given.list:
        for mutant, _ in wanted:
            say(f"{mutant.id} {mutant.operator} {mutant.title}")
        return 0
    log = scratch / f"{given.what}.jsonl"
    earlier = _read(log) if given.resume else {}
    if not given.resume:
        log.unlink(missing_ok=True)
    todo = []
    reviewed = equivalent.EQUIVALENT if given.what == "sample" else {}
    for mutant, tests in wanted:
        before = earlier.get(mutant.id)
        is_done = before is not None and (
            before.is_noticed or not given.retry or mutant.id in reviewed
        )
        if before is not None and is_done and before.code == digest_of(mutant.code):
            results.append(before)
        else:
            todo.append((mutant, tests))
    if todo or given.trace:
        with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
            os.chmod(folder, 0o755)  # noqa: PTH101, S103 - PostgreSQL runs as another user
            results += _run_all(Path(folder), scratch, todo, log, given, say)
    return _report(results, given, say)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("known", "sample"))
    parser.add_argument(
        "--jobs", type=int, default=1, help="copies of the tree in which mutants run at once"
    )
    parser.add_argument(
        "--only",
        default="",
        help="only mutants of these files, or whose name or id begins so; several with commas",
    )
    parser.add_argument(
        "--area",
        choices=targets.AREAS,
        help="choose the sample among these files, not those of `targets.TARGETS`",
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument(
        "--resume", action="store_true", help="go on with the results of the run before"
    )
    parser.add_argument(
        "--retry",
        action="store_true",
        help="with --resume: run once more those that had survived and are not equivalent",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="only the fast tests: what survives is no survivor yet, see --retry",
    )
    parser.add_argument("--list", action="store_true", help="print the mutants, run nothing")
    parser.add_argument(
        "--trace",
        action="store_true",
        help="find which tests execute which lines, though there is no mutant to run",
    )
    parser.add_argument(
        "--scratch",
        type=Path,
        default=ROOT / ".cache" / "mutation",
        help="folder for results and traces",
    )
    return parser


def _wanted(given: argparse.Namespace) -> tuple[list[tuple[Mutant, list[str]]], list[Result]]:
    results: list[Result] = []
    if given.what == "known":
        wanted, results = known_mutants()
    else:
        files = _sampled_files(given)
        wanted = [
            (each, []) for each in generate.sample(ROOT, files, seed=given.seed, size=given.size)
        ]
    if given.only:
        names = tuple(given.only.split(","))
        wanted = [
            (mutant, tests)
            for mutant, tests in wanted
            if mutant.file in names or mutant.id.startswith(names)
        ]
        results = [each for each in results if each.id.startswith(names)]
    return wanted, results


def _sampled_files(given: argparse.Namespace) -> list[str]:
    return targets.files_of(ROOT, given.area) if given.area else list(targets.TARGETS)


def _run_all(
    folder: Path,
    scratch: Path,
    todo: Sequence[tuple[Mutant, list[str]]],
    log: Path,
    given: argparse.Namespace,
    say: _Saying,
) -> list[Result]:
    mutated = {mutant.file for mutant, _ in todo}
    files = sorted(mutated.union(targets.TARGETS, targets.files_of(ROOT, *targets.AREAS)))
    if given.trace:
        mutated.update(_sampled_files(given))
    test_files = (
        {each for file in mutated for each in targets.test_files(ROOT, file)}
        if given.what == "sample" or given.trace
        else {each for _, tests in todo for each in tests if (ROOT / each).exists()}
    )
    first = Tree(ROOT, folder / "0")
    first.warm(sorted(test_files))
    trees = [first, *(Tree(first.folder, folder / str(number)) for number in range(1, given.jobs))]
    found = lines.trace(ROOT, scratch, trees, sorted(test_files), files, say)
    for file in sorted(mutated):
        _check(first, found, file)
    free: SimpleQueue[Tree] = SimpleQueue()
    for tree in trees:
        free.put(tree)
    writing = Lock()

    def one(pair: tuple[Mutant, list[str]]) -> Result:
        mutant, tests = pair
        tree = free.get()
        try:
            steps = steps_for(found, mutant, tests)
            result = try_mutant(tree, mutant, steps[:1] if given.fast else steps)
        finally:
            free.put(tree)
        with writing, log.open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
        say(f"{result.result:9} {result.seconds:6.1f} s  {result.id}  {result.title}  {result.by}")
        return result

    with ThreadPoolExecutor(len(trees)) as pool:
        results = list(pool.map(one, todo))
    for tree in trees:
        tree.close()
    return results


def _check(tree: Tree, found: lines.Known, file: str) -> None:
    """Run tests of a file as for a mutant, but without one: a test that fails then would notice
    every mutant.
    """
    tests = set().union(*found.by_line.get(file, {}).values())
    chosen = _within(
        _ordered(tests, found.seconds, targets.test_files(ROOT, file)[:1]),
        found.seconds,
        CHECK_SECONDS,
        CHECK_TESTS,
    )
    if chosen:
        tree.run_unchanged(**_request(_step(found, chosen), file))


def _read(log: Path) -> dict[str, Result]:
    if not log.exists():
        return {}
    return {known["id"]: Result(**known) for known in map(json.loads, log.read_text().splitlines())}


class _Saying:
    """Prints lines, one at a time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._began = time.monotonic()

    def __call__(self, line: str) -> None:
        with self._lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def _report(results: Sequence[Result], given: argparse.Namespace, say: _Saying) -> int:
    """Print the table; 1 where a known mutant survives, or too few generated ones are noticed."""
    reasons = equivalent.EQUIVALENT if given.what == "sample" else {}
    survivors = [each for each in results if not each.is_noticed]
    holes = [each for each in survivors if each.id not in reasons]
    by_file: dict[str, Counter[str]] = {}
    for each in results:
        is_reviewed = not each.is_noticed and each.id in reasons
        by_file.setdefault(each.title.partition(":")[0], Counter())[
            "equivalent" if is_reviewed else each.result
        ] += 1
    say(
        f"\n{'file':34} {'mutants':>8} {'noticed':>8} {'by time':>8} {'equivalent':>11}"
        f" {'survived':>9}"
    )
    for file, counts in sorted(by_file.items()):
        say(
            f"{file:34} {counts.total():8} {counts['noticed'] + counts['error']:8}"
            f" {counts['timeout']:8} {counts['equivalent']:11}"
            f" {counts['survived'] + counts['stale']:9}"
        )
    noticed = len(results) - len(survivors)
    for each in survivors:
        say(
            f"{'equivalent' if each.id in reasons else each.result}: {each.id} {each.operator}"
            f" {each.title}"
        )
        say(
            f"    {reasons.get(each.id) or 'ran ' + ('; '.join(each.ran) or 'nothing: no test executes it')}"
        )
    share = noticed / len(results) if results else 1.0
    counted = noticed / (noticed + len(holes)) if noticed + len(holes) else 1.0
    say(
        f"\n{len(results)} mutants, {noticed} noticed ({share:.1%}), {len(survivors) - len(holes)}"
        f" equivalent, {len(holes)} survived; without the equivalent ones {counted:.1%} are noticed"
    )
    return int(bool(holes) if given.what == "known" else counted < LEAST)


if __name__ == "__main__":
    sys.exit(main())
