"""Formats of values that carry signatures. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from bridge.core.errors import BadSignature
from bridge.providers.signatures.encodings import to_base64, unbase64

ParsedValue = tuple[list[str], Mapping[str, str]]  # the signatures, and the other values by label


@dataclass(frozen=True, slots=True)
class Plain:
    """The value is the signature."""

    def read(self, text: str) -> ParsedValue:
        """Return the signature."""
        return [text], {}

    def write(self, signature: str, labels: Mapping[str, str]) -> str:  # noqa: ARG002 - as its siblings
        """Return the value that carries `signature`."""
        return signature


@dataclass(frozen=True, slots=True)
class Pairs:
    """A list of labelled values: `t=1,v1=ab` (Stripe), `ts=1;h1=ab` (Paddle), `v1,ab v1,cd` (Svix).

    Entries with `label` are signatures; `*` takes every entry (Braintree labels them with its
    public key). Entries with other labels, such as those of a weaker scheme, are never signatures.
    Blanks around an entry are ignored.
    """

    label: str
    separator: str = ","
    assign: str = "="

    def read(self, text: str) -> ParsedValue:
        """Return the signatures, and the first value of every other label.

        A label with two different values is malformed.
        """
        signatures: list[str] = []
        labels: dict[str, str] = {}
        for entry in text.split(self.separator):
            label, assign, value = entry.strip().partition(self.assign)
            if not assign:
                continue
            if self.label in (label, "*"):
                signatures.append(value)
            elif labels.setdefault(label, value) != value:
                raise BadSignature("malformed")
        return signatures, labels

    def write(self, signature: str, labels: Mapping[str, str]) -> str:
        """Return the value that carries `signature` after `labels`."""
        entries = [*labels.items(), (self.label, signature)]
        return self.separator.join(f"{label}{self.assign}{value}" for label, value in entries)


@dataclass(frozen=True, slots=True)
class Positional:
    """A list with meaning by position: `1700000000,ab,cd` (Recurly).

    Labels are the positions before `first`: `0`, `1`…
    """

    separator: str = ","
    first: int = 1

    def read(self, text: str) -> ParsedValue:
        """Return the entries from `first` on, and those before it by position."""
        entries = [entry.strip() for entry in text.split(self.separator)]
        return entries[self.first :], {
            str(index): entry for index, entry in enumerate(entries[: self.first])
        }

    def write(self, signature: str, labels: Mapping[str, str]) -> str:
        """Return the value that carries `signature` after `labels`."""
        return self.separator.join([*labels.values(), signature])


@dataclass(frozen=True, slots=True)
class Base64Json:
    """Base64 of a JSON object with the signature under `label` (eBay).

    Each member of `fixed` must have exactly its value.
    """

    label: str = "signature"
    fixed: tuple[tuple[str, str], ...] = ()

    def read(self, text: str) -> ParsedValue:
        """Return the one signature, and the other texts by name."""
        try:
            content = orjson.loads(unbase64(text))
        except ValueError:
            raise BadSignature("malformed") from None
        if not isinstance(content, dict) or any(
            content.get(name) != fixed_value for name, fixed_value in self.fixed
        ):
            raise BadSignature("malformed")
        texts = {name: value for name, value in content.items() if isinstance(value, str)}
        signature = texts.pop(self.label, None)
        return [signature] if signature else [], texts

    def write(self, signature: str, labels: Mapping[str, str]) -> str:
        """Return the value that carries `signature` beside `labels`."""
        return to_base64(orjson.dumps({**dict(self.fixed), **labels, self.label: signature}))


PLAIN = Plain()
HeaderFormat = Plain | Pairs | Positional | Base64Json
