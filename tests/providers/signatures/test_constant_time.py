"""Secrets are compared with `hmac.compare_digest` on bytes, and in no other way."""

from __future__ import annotations

import ast
import hmac
from pathlib import Path
from types import ModuleType

import pytest
from senders import PROVEN, chosen

import bridge.providers.registry
import bridge.providers.signatures
from bridge.core.errors import BadSignature
from bridge.providers.signatures import hmac_scheme, jwt, shared_token, signed_scheme
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.jwt import Jwt
from bridge.providers.signatures.per_item import SignedItems
from bridge.providers.signatures.scheme import Scheme
from bridge.providers.signatures.shared_token import BasicAuth, SharedToken

ENGINE = sorted(Path(bridge.providers.signatures.__file__).parent.glob("*.py"))
ANSWERS = sorted(
    (Path(bridge.providers.registry.__file__).parent / "handshakes").glob("*.py")
)  # some of them compare a token that is shown
SECRET_WORDS = {
    "signature",
    "signatures",
    "expected",
    "key",
    "keys",
    "message",
    "secret",
    "secrets",
    "token",
    "password",
    "user",
    "digest",
    "given",
    "raw",
}
SEARCHED = SECRET_WORDS - {"given", "keys"}  # the names of settings


def is_shared(scheme: Scheme) -> bool:
    """Whether the secret is shared, and so compared with; a public key is used by
    `cryptography`.
    """
    return isinstance(scheme, Hmac | SharedToken | BasicAuth | SignedItems) or (
        isinstance(scheme, Jwt) and scheme.algorithm.startswith("HS")
    )


def has_body_hash(scheme: Scheme) -> bool:
    return bool(
        getattr(scheme, "requires", ())
        or getattr(scheme, "body_sha256", None)
        or getattr(scheme, "body_hash", None)
    )


SHARED = [key for key, one in PROVEN.items() if all(map(is_shared, chosen(one)))]
HASHED = [
    key
    for key, one in PROVEN.items()
    if all(map(has_body_hash, chosen(one)))
    and one.request().content_type != "application/x-www-form-urlencoded"
]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[type, type]]:
    """The types that were compared; every answer is no."""
    seen: list[tuple[type, type]] = []

    def never(a: object, b: object) -> bool:
        seen.append((type(a), type(b)))
        return False

    # `hmac` is what itsdangerous looks it up in
    modules: tuple[ModuleType, ...] = (hmac, hmac_scheme, shared_token)
    for module in modules:
        monkeypatch.setattr(module, "compare_digest", never)
    return seen


@pytest.mark.parametrize("name", SHARED)
def test_shared_secret_is_compared_by_compare_digest_on_bytes_and_by_nothing_else(
    name: str, compared: list[tuple[type, type]]
) -> None:
    one = PROVEN[name]
    with pytest.raises(BadSignature, match="mismatch"):
        one.verify(one.signed())
    assert set(compared) == {(bytes, bytes)}


@pytest.mark.parametrize("name", HASHED)
def test_hash_of_the_body_is_compared_by_compare_digest(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = PROVEN[name]
    signed = one.signed()
    for module in (signed_scheme, jwt):
        monkeypatch.setattr(module, "compare_digest", lambda _a, _b: False)
    with pytest.raises(BadSignature, match="mismatch"):
        one.verify(signed)


@pytest.mark.parametrize("path", [*ENGINE, *ANSWERS], ids=lambda path: path.stem)
def test_engine_compares_secrets_and_signatures_in_constant_time_only(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Compare) and any(
            isinstance(op, ast.Eq | ast.NotEq) for op in node.ops
        ):
            names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
            lengths = any(
                isinstance(inner, ast.Call) and getattr(inner.func, "id", "") == "len"
                for inner in ast.walk(node)
            )
            assert lengths or not names & SECRET_WORDS, f"{where} compares {names}"
        if isinstance(node, ast.Compare) and any(
            isinstance(op, ast.In | ast.NotIn) for op in node.ops
        ):
            texts = {inner.id for inner in node.comparators if isinstance(inner, ast.Name)}
            assert isinstance(node.left, ast.Constant) or not texts & SEARCHED, (
                f"{where} looks for something in {texts}"
            )
        assert not (isinstance(node, ast.Attribute) and node.attr == "Signer"), where


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)
def test_engine_takes_nothing_from_hmac_but_the_comparison(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "hmac":
            assert [name.name for name in node.names] == ["compare_digest"]
        if isinstance(node, ast.Import):
            assert "hmac" not in {name.name for name in node.names}, (
                "keyed digests are those of itsdangerous"
            )
