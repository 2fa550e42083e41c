"""Generated filters of Hookdeck and Convoy, and payloads for them.

Values have one type wherever they are, as those of a sender have; `null` and lists inside of lists
are left out. docs/moving.md has what differs for them.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from typing import Any

from documented_filters import CONVOY_DOCUMENTED, HOOKDECK_DOCUMENTED

TEXTS = ("paid", "open", "order.created", "order.paid", "")
NUMBERS = (0, 5, 7.5, 1000)
TAGS = ("new", "gift", "spam")
FILTERS = 200
PAYLOADS = 6  # for each filter

Cases = list[tuple[dict[str, Any], list[dict[str, Any]]]]


def make_object(dice: random.Random) -> dict[str, Any]:
    """Return an object with a text, a number, a boolean and a list, each if it happens."""
    made: dict[str, Any] = {
        "status": dice.choice(TEXTS),
        "total": dice.choice(NUMBERS),
        "ok": dice.random() < 0.5,
        "tags": dice.sample(TAGS, dice.choice((0, 1, 2))),
    }
    return {key: value for key, value in made.items() if dice.random() < 0.85}


def make_payload(dice: random.Random) -> dict[str, Any]:
    """Return a payload, in which `data` and `item` are an object or a list of objects."""
    payload = make_object(dice)
    for key in ("data", "item"):
        inside = make_object(dice)
        if dice.random() < 0.5:
            inside["object"] = make_object(dice)
        chance = dice.random()
        if chance < 0.5:
            payload[key] = inside
        elif chance < 0.85:
            payload[key] = [inside, *(make_object(dice) for _ in range(dice.choice((0, 1))))]
    return payload


# -- Hookdeck


def make_hookdeck_filter(dice: random.Random, depth: int = 0) -> dict[str, Any]:
    """Return a filter of an object."""
    made: dict[str, Any] = {}
    for _ in range(dice.choice((1, 1, 2, 3))):
        chance = dice.random()
        if chance < 0.15 and depth < 2:
            made["$or"] = [make_hookdeck_filter(dice, depth + 1) for _ in range(2)]
        elif chance < 0.22 and depth < 2:
            made["$and"] = [make_hookdeck_filter(dice, depth + 1) for _ in range(2)]
        elif chance < 0.32 and depth < 2:
            made["$not"] = make_hookdeck_filter(dice, depth + 1)
        elif chance < 0.6 and depth < 3:
            inside = make_hookdeck_filter(dice, depth + 1)
            inside.pop("$or", None)  # under a key, it decides alone
            key = "object" if depth else dice.choice(("data", "item"))
            made[key] = inside or {"status": "paid"}
        else:
            key = dice.choice(("status", "total", "ok", "tags"))
            made[key] = make_leaf(dice, key)
    return made


def make_leaf(dice: random.Random, key: str) -> Any:
    """Return what Hookdeck's filter has for a key of an object."""
    text, number, tag = dice.choice(TEXTS), dice.choice(NUMBERS), dice.choice(TAGS)
    choices: dict[str, tuple[Any, ...]] = {
        "status": (
            text,
            {"$eq": text},
            {"$neq": text},
            {"$in": [text, dice.choice(TEXTS)]},
            {"$nin": [text, "other"]},
            {"$in": "order"},
            {"$nin": "order"},
            {"$startsWith": "order."},
            {"$endsWith": ["paid", "ed"]},
            {"$gt": "open"},
            {"$exist": dice.random() < 0.5},
            {"$or": [text, {"$startsWith": "order"}, {"$not": "open"}]},
            {"$or": ["paid", "open"]},
            {"$exist": True, "$startsWith": "o"},
        ),
        "total": (
            number,
            {"$gte": number},
            {"$gt": 0, "$lte": 1000},
            {"$lt": number},
            {"$in": [5, 1000]},
            {"$neq": number},
            {"$or": [0, {"$gt": 7}]},
        ),
        "ok": (True, False, {"$eq": True}, {"$neq": True}),
        "tags": (
            tag,
            [tag],
            ["new", "gift"],
            {"$eq": [tag]},
            {"$neq": ["new"]},
            {"$or": [tag, "other"]},
            {"$exist": True},
        ),
    }
    return dice.choice(choices[key])


def make_hookdeck_cases(seed: int) -> Cases:
    """Return filters, each with payloads."""
    dice = random.Random(seed)
    return [
        (make_hookdeck_filter(dice), [make_payload(dice) for _ in range(PAYLOADS)])
        for _ in range(FILTERS)
    ]


def hash_cases(cases: Cases) -> str:
    """Return a hash of cases, which verdicts are recorded for."""
    return hashlib.sha256(json.dumps(cases, sort_keys=True).encode()).hexdigest()


# -- Convoy


def make_convoy_filter(dice: random.Random, depth: int = 0) -> dict[str, Any]:
    """Return a filter, with dotted or nested keys."""
    made: dict[str, Any] = {}
    for _ in range(dice.choice((1, 1, 2, 3))):
        chance = dice.random()
        if chance < 0.2 and depth < 2:
            key = dice.choice(("$or", "$and"))
            made[key] = [make_convoy_filter(dice, depth + 1) for _ in range(dice.choice((1, 2)))]
            continue
        name = dice.choice(("status", "total", "ok", "tags"))
        test = make_clause(dice, name)
        if chance < 0.6:
            made[name] = test
        elif chance < 0.75 and name not in made.get("data", {}):
            made[f"data.{name}"] = test
        elif chance < 0.85 and f"data.{name}" not in made:
            made["data"] = {name: test}
        else:
            made[f"item.$.{name}"] = test
    return made


def make_clause(dice: random.Random, key: str) -> Any:
    """Return what Convoy's filter has for a key."""
    text, number, tag = dice.choice(TEXTS), dice.choice(NUMBERS), dice.choice(TAGS)
    choices: dict[str, tuple[Any, ...]] = {
        "status": (
            text,
            {"$eq": text},
            {"$neq": text},
            {"$in": [text, "open"]},
            {"$nin": [text, "other"]},
            {"$exist": True},
        ),
        "total": (
            number,
            {"$gte": number},
            {"$gt": 0, "$lte": 1000},
            {"$lt": number},
            {"$in": [5, 1000]},
            {"$neq": number},
        ),
        "ok": (True, False, {"$eq": True}, {"$neq": True}),
        "tags": (tag, {"$in": tag}, {"$nin": tag}, {"$eq": [tag]}, {"$neq": ["new"]}),
    }
    return dice.choice(choices[key])


def make_convoy_cases(seed: int) -> Cases:
    """Return filters, each with payloads, in which `item` is a list."""
    dice = random.Random(seed)
    cases: Cases = []
    for _ in range(FILTERS):
        payloads = [make_payload(dice) for _ in range(PAYLOADS)]
        for payload in payloads:
            payload["data"] = make_object(dice)
            if isinstance(payload.get("item"), dict):
                payload["item"] = [payload["item"]]
        cases.append((make_convoy_filter(dice), payloads))
    return cases


SEEDS = {"hookdeck": 31, "convoy": 32}
MAKERS = {"hookdeck": make_hookdeck_cases, "convoy": make_convoy_cases}
DOCUMENTED = {"hookdeck": HOOKDECK_DOCUMENTED, "convoy": CONVOY_DOCUMENTED}


def write_cases(program: str) -> None:
    """Write the cases for tests/data/hookdeck_verdicts.mjs or convoy_verdicts.go to stdout."""
    seed = SEEDS[program]
    cases = MAKERS[program](seed)
    found = {"seed": seed, "hash": hash_cases(cases), "cases": cases}
    json.dump(found | {"documented": list(DOCUMENTED[program].values())}, sys.stdout)


if __name__ == "__main__":
    write_cases(sys.argv[1])
