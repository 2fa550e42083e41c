"""Blocklists of words, mailboxes, domains and networks for submissions. Pure.

Entries are looked up word by word, so the time does not grow with the product of list and text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from bridge.core.json_values import iterate_scalars
from bridge.core.model import JSON
from bridge.core.text import normalize
from bridge.routing.form import Blocklists

MAX_ENTRIES = 10_000  # of a list
MAX_ENTRY_CHARS = 200
MAX_PART_ENTRIES = 100  # entries that match a part of a word
MAX_PHRASE_WORDS = 6
MAX_TEXT_CHARS = 256 * 1024  # of a submission that are searched
_WORD = re.compile(r"\w++")
_LINK = re.compile(r"(?i)(?:https?://|\bwww\.)(?P<host>[^\s/?#\"'<>()\[\]]{0,253}+)[^\s\"'<>]*+")
_BREAK = re.compile(r"[\s<>()\[\],;:\"']++")


def build_blocklist(
    words: Iterable[str] = (), addresses: Iterable[str] = (), domains: Iterable[str] = ()
) -> Blocklists:
    """Return the compiled lists. Raises `ValueError` with the entry that is invalid, and why."""
    phrases: dict[int, set[tuple[str, ...]]] = defaultdict(set)
    parts = []
    mailboxes = set()
    networks: dict[tuple[int, int], set[int]] = defaultdict(set)
    for entry in words:
        text = _folded(entry)
        if len(text) > 4 and text.startswith("*") and text.endswith("*"):
            parts.append(text[1:-1])
            continue
        phrase = tuple(_WORD.findall(text))
        if not 0 < len(phrase) <= MAX_PHRASE_WORDS or "*" in text:
            raise ValueError(
                f"`{entry[:40]}` is not valid: write 1 to {MAX_PHRASE_WORDS} words, or a *part* of"
                " a word with at least 3 characters"
            )
        phrases[len(phrase)].add(phrase)
    if len(parts) > MAX_PART_ENTRIES:
        raise ValueError(f"{len(parts)} entries are *parts* of words; allowed: {MAX_PART_ENTRIES}")
    for entry in addresses:
        if "@" in entry:
            mailboxes.add(_folded(entry))
            continue
        try:
            network = ip_network(entry, strict=False)
        except ValueError:
            raise ValueError(
                f"`{entry[:60]}` is not an e-mail address, IP address or network"
            ) from None
        networks[network.version, network.prefixlen].add(
            int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
        )
    return Blocklists(
        phrases={count: frozenset(group) for count, group in phrases.items()},
        parts=tuple(parts),
        mailboxes=frozenset(mailboxes),
        domains=frozenset(_domain(entry) for entry in domains),
        networks={key: frozenset(prefixes) for key, prefixes in networks.items()},
    )


def _domain(entry: str) -> str:
    text = _folded(entry).removeprefix("@").removeprefix("*.").strip(".")
    if not re.fullmatch(r"[^\s/@:*]+", text):
        raise ValueError(
            f"`{entry[:60]}` is not a domain such as example.com (which includes its subdomains)"
        )
    return text


def submission_text(fields: JSON) -> str:
    """Return all answers as one text up to `MAX_TEXT_CHARS`, without the names of fields."""
    texts = []
    room = MAX_TEXT_CHARS
    for text in iterate_scalars(fields):
        if not isinstance(text, str):
            continue
        texts.append(text[:room])
        room -= len(texts[-1])
        if room <= 0:
            break
    # NFKC makes up to 18 characters of one
    return normalize("NFKC", "\n".join(texts))[:MAX_TEXT_CHARS]


def count_links(text: str) -> int:
    """Return the number of links in a text."""
    return sum(1 for _ in _LINK.finditer(text))


def find_word(text: str, blocked: Blocklists) -> str | None:
    """Return the first blocked word or phrase in a text, ignoring case, or None."""
    folded = text.casefold()
    words = _WORD.findall(folded) if blocked.phrases else []
    for count, phrases in blocked.phrases.items():
        runs = zip(*(words[at:] for at in range(count)), strict=False)
        if phrase := next((run for run in runs if run in phrases), None):
            return " ".join(phrase)
    return next((part for part in blocked.parts if part in folded), None)


def find_name(text: str, blocked: Blocklists) -> str | None:
    """Return the first blocked mailbox or domain in the addresses and links of a text, or None."""
    if not blocked.mailboxes and not blocked.domains:
        return None
    folded = text.casefold()
    for token in _BREAK.split(folded):
        mailbox, at, host = token.strip(".").rpartition("@")
        if not at or not mailbox:
            continue
        if f"{mailbox}@{host}" in blocked.mailboxes:
            return f"{mailbox}@{host}"
        if domain := _parent(host, blocked):
            return domain
    hosts = (link["host"].rpartition("@")[2].partition(":")[0] for link in _LINK.finditer(folded))
    return next(
        (blocked_domain for host in hosts if (blocked_domain := _parent(host, blocked))), None
    )


def _parent(host: str, blocked: Blocklists) -> str | None:
    labels = host.strip(".").split(".")[-10:]
    names = (".".join(labels[at:]) for at in range(len(labels)))
    return next((name for name in names if name in blocked.domains), None)


def is_blocked(address: str | None, blocked: Blocklists) -> bool:
    """Return whether an IP address is in a blocked network."""
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return False
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(
        version == parsed.version and int(parsed) >> (parsed.max_prefixlen - bits) in prefixes
        for (version, bits), prefixes in blocked.networks.items()
    )


def _folded(text: str) -> str:
    return normalize("NFKC", text).casefold().strip()
