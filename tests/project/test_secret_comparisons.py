"""Secrets are compared in constant time: never with `==` or `in`, which end at the first
difference.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from folders import ROOT

#: The last word of a name for a value that a caller must not be able to guess bit by bit.
SECRET = re.compile(
    r"(^|_)(secrets?|passwords?|signatures?|signed|digests?|hexdigest|hmac|mac|tokens?|tickets?"
    r"|csrf|proofs?|nonces?|api_keys?|credentials?|cookies?)$",
)
#: The file, and the comparison -> why its time tells nothing that is secret.
EXCEPTIONS: dict[tuple[str, str], str] = {
    # The digest of a content that the caller has, or that is no secret.
    **dict.fromkeys(
        (
            (
                "bridge/cli/bridge/event_files.py",
                "hashlib.sha256(content).hexdigest() != file.sha256",
            ),
            ("bridge/config/build/local_keys.py", "local_key.hash == digest"),
            ("bridge/config/build/local_keys.py", "digest in _EMPTY_KEY_HASHES"),
            ("bridge/core/fingerprints.py", "digest == EMPTY_SHA256"),
            ("bridge/ingest/duplicates.py", "signed == sent.body"),
            ("bridge/services/change_tail.py", "cursor.states.get(number) != digest"),
            ("bridge/services/lists.py", "of != digest"),
            ("bridge/services/operations/control.py", "operation.request_digest != digest"),
            ("bridge/store/backup/archive.py", "path.name != digest"),
            ("bridge/store/backup/extraction.py", "digest != blob[2]"),
            ("bridge/store/operations/rekey.py", "digest != EMPTY_SHA256"),
            ("bridge/store/operations/rekey.py", "keyed != digest"),
            ("bridge/api/resources/operations.py", "operation.request_digest != digest"),
            ("bridge/api/resources/runs.py", "sent.digest != digest_body(request.body)"),
            ("bridge/worker/maintenance/jobs.py", "last_check.lock == digest"),
            (
                "bridge/store/blobs.py",
                "hashlib.sha256(path.read_bytes()).hexdigest() == path.name",
            ),
        ),
        "a content",
    ),
    # A keyed hash that no client sees, of what the client sent itself.
    **dict.fromkeys(
        (
            ("bridge/store/inbound/submissions.py", "earlier.digest != marks.digest"),
            ("bridge/store/inbound/submissions.py", "recent.c.digest == marks.digest"),
        ),
        "keyed",
    ),
    # The id of a token, which is listed and logged.
    **dict.fromkeys(
        (
            ("bridge/services/operations/control.py", "operation.token != token"),
            ("bridge/store/operations/control.py", "act.c.token == token"),
            ("bridge/store/operations/operation_records.py", "act.c.token == token"),
            ("bridge/store/operations/run_requests.py", "run_request.c.token == token"),
            (
                "bridge/web/console/views/operations.py",
                "operation.token == console_request.session.key",
            ),
        ),
        "an id",
    ),
    # The hash of 256 random bits: what a lookup by it reveals leads to no secret.
    **dict.fromkeys(
        (
            ("bridge/store/operations/tokens.py", "token.c.hash == hash_secret(secret)"),
            (
                "bridge/store/operations/sessions.py",
                "console_session.c.hash == hash_secret(secret)",
            ),
        ),
        "a random secret",
    ),
    # A name, a kind, or a reason of ours.
    **dict.fromkeys(
        (
            ("bridge/ingest/forms/spam/layers.py", "self.token == tokens.TOO_OLD"),
            ("bridge/ingest/rejects.py", "locator in source.scheme.credentials"),
            ("bridge/web/console/login.py", "SECURE_COOKIE in request.cookies"),
        ),
        "a name",
    ),
    # On the side of the client, which has all of it.
    **dict.fromkeys(
        (
            ("bridge/services/samples/form_challenge.py", "tried.hexdigest() == expected"),
            ("bridge/web/receiving/dry_run.py", "header_digest == digest"),
            ("bridge/web/receiving/dry_run.py", "names.get(name) == digest"),
            ("bridge/web/receiving/dry_run.py", "came.get('body') != _digest(sent.body)"),
        ),
        "the client's side",
    ),
    # The user id of the caller, whose key is proven; it is `check_user` that compares what came.
    (
        "bridge/web/flow_api/runs.py",
        "caller.user_id != served.credentials[1]",
    ): "a proven caller",
}


def names(node: ast.expr) -> Iterator[str]:
    """Yield the names whose values are compared: not those of arguments."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Call):
        yield from names(node.func)
    elif isinstance(node, ast.Subscript | ast.Starred):
        yield from names(node.value)
    elif isinstance(node, ast.Tuple | ast.List | ast.Set):
        for one in node.elts:
            yield from names(one)
    elif isinstance(node, ast.BinOp):
        yield from names(node.left)
        yield from names(node.right)


def is_plain(node: ast.expr) -> bool:
    """Whether a side is written in the source, or is a length or a type."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return all(map(is_plain, node.elts))
    is_measure = isinstance(node, ast.Call) and list(names(node.func)) in (["len"], ["type"])
    return isinstance(node, ast.Constant) or is_measure or isinstance(node, ast.UnaryOp)


def comparisons(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        kinds = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
        if not any(isinstance(one, kinds) for one in node.ops) or any(map(is_plain, sides)):
            continue
        if any(SECRET.search(name) for side in sides for name in names(side)):
            yield ast.unparse(node)


@cache
def found() -> set[tuple[str, str]]:
    return {
        (path.relative_to(ROOT).as_posix(), one)
        for path in sorted((ROOT / "bridge").rglob("*.py"))
        for one in comparisons(path)
    }


def test_no_secret_is_compared_in_a_time_that_tells_of_it() -> None:
    assert sorted(found() - {*EXCEPTIONS}) == []


def test_every_exception_is_still_there() -> None:
    assert sorted({*EXCEPTIONS} - found()) == []


def test_what_is_looked_for_is_found(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(
        "a = given == secret\nb = sha256(x).hexdigest() != y\nc = token in known\n"
        "d = one.csrf_token == other\ne = secret == ''\nf = len(token) == len(other)\n"
        "g = compare_digest(secret, token)\nh = kind == 'token'\n"
    )
    assert list(comparisons(file)) == [
        "given == secret",
        "sha256(x).hexdigest() != y",
        "token in known",
        "one.csrf_token == other",
    ]
