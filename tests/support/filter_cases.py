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


# -- Hookdeck's documentation, and what its library makes of the rest

#: Name -> filter and payload.
HOOKDECK_DOCUMENTED: dict[str, tuple[Any, Any]] = {
    "a plain body": (False, False),
    "a text": ("/webhooks", "/webhooks"),
    "part of a text": ({"$in": "/webhooks"}, "/webhooks/github"),
    "a key": ({"type": "order/created"}, {"type": "order/created", "order": {"id": 123}}),
    "a nested key": ({"product": {"inventory": 0}}, {"product": {"title": "A", "inventory": 0}}),
    "a list that contains": ({"tags": "gift"}, {"tags": ["gift", "something"]}),
    "a list that contains all": ({"tags": ["gift", "b"]}, {"tags": ["gift", "a", "b"]}),
    "a list that lacks one": ({"tags": ["gift", "c"]}, {"tags": ["gift", "a", "b"]}),
    "a text beside a list of texts": ({"tags": ["gift"]}, {"tags": "gift"}),
    "objects in a list": ({"items": {"id": 456}}, {"items": [{"id": 1}, {"id": 456}]}),
    "two keys of one element": (
        {"items": {"id": 1, "sku": "b"}},
        {"items": [{"id": 1, "sku": "a"}, {"id": 2, "sku": "b"}]},
    ),
    "an operator on a list": ({"items": {"$eq": 1}}, {"items": [1]}),
    "an equal list": ({"items": {"$eq": [1, 2]}}, {"items": [1, 2]}),
    "alternatives of one key": ({"status": {"$or": ["active", "pending"]}}, {"status": "pending"}),
    "alternatives in a list": ({"tags": {"$or": ["a", "b"]}}, {"tags": ["c", "b"]}),
    "a changed field": (
        {"updated_at": {"$neq": {"$ref": "created_at"}}},
        {"updated_at": 2, "created_at": 1},
    ),
    "a field that has not changed": ({"a": {"$ref": "b.c"}}, {"a": 1, "b": {"c": 1}}),
    "the present element": (
        {"variants": {"new": {"$ref": "variants[$index].old"}}},
        {"variants": [{"new": 2, "old": 1}, {"new": 3, "old": 3}]},
    ),
    "another element": (
        {"variants": {"new": {"$ref": "variants[$index].old"}}},
        {"variants": [{"new": 2, "old": 1}, {"new": 1, "old": 2}]},
    ),
    "not": (
        {"event": {"type": "message"}, "$not": {"$or": [{"team": "T1"}, {"team": "T2"}]}},
        {"event": {"type": "message"}, "team": "T3"},
    ),
    "exists and begins": ({"url": {"$exist": True, "$startsWith": "https"}}, {"url": "https://a"}),
    "no key": ({"deleted_at": {"$exist": False}}, {"id": 1}),
    "no key in an object that is missing": ({"data": {"gone": {"$exist": False}}}, {"id": 1}),
    "no key in an object": ({"data": {"gone": {"$exist": False}}}, {"data": {"id": 1}}),
    "another value of a missing key": ({"status": {"$neq": "x"}}, {"id": 1}),
    # what differs here
    "null is a value": ({"deleted_at": {"$exist": False}}, {"deleted_at": None}),
    "null is another value": ({"status": {"$neq": "x"}}, {"status": None}),
    "a missing key is not null": ({"status": None}, {"id": 1}),
    "a number as text": ({"id": 5}, {"id": "5"}),
    "true as a number": ({"ok": True}, {"ok": 1}),
    "a text in a list": ({"tags": {"$in": "gift"}}, {"tags": ["gift"]}),
    "a list in a list": ({"tags": "a"}, {"tags": [["a"]]}),
    "a body that is a list": ({"id": 1}, [{"id": 1}]),
    # what is not carried
    "and of one key": ({"n": {"$and": [{"$gte": 1}, {"$lte": 5}]}}, {"n": 3}),
    "not of one key": ({"status": {"$not": "deleted"}}, {"status": "active"}),
    "keys beside or": ({"data": {"$or": [{"a": 1}], "b": 2}}, {"data": {"a": 1}}),
    "keys beside an operator": ({"n": {"$gt": 1, "x": 2}}, {"n": 3}),
    "an unknown operator": ({"n": {"$regex": "a"}}, {"n": "a"}),
    "an operator beside keys": ({"$gt": 1, "x": 2}, {"x": 2}),
}


# -- Convoy's documentation, and what the program makes of the rest

#: Name -> filter and payload.
CONVOY_DOCUMENTED: dict[str, tuple[Any, Any]] = {
    "a key": ({"event_type": "created"}, {"event_type": "created", "n": 1}),
    "a nested key": ({"event": {"type": "created"}}, {"event": {"type": "created"}}),
    "a dotted key": ({"event.type": "created"}, {"event": {"type": "created"}}),
    "a list that contains": (
        {"dish": {"ingredients": "rice"}},
        {"dish": {"ingredients": ["rice"]}},
    ),
    "a list that lacks it": ({"dish": {"ingredients": "rice"}}, {"dish": {"ingredients": ["oil"]}}),
    "an object in a list": ({"data.$.name": "b"}, {"data": [{"name": "a"}, {"name": "b"}]}),
    "an object in the list at the top": ({"$.event": "meetup"}, [{"event": "meetup"}, {"at": 1}]),
    "lists in lists": (
        {"data.$.speakers.$.name": "b"},
        {"data": [{"at": 1}, {"speakers": [{"name": "a"}, {"name": "b"}]}]},
    ),
    "an index": ({"data.1.name": "b"}, {"data": [{"name": "a"}, {"name": "b"}]}),
    "a list of one text in an object in a list": (
        {"venues.$.lagos": "ikeja"},
        {"venues": [{"lagos": ["lekki", "ikeja"]}]},
    ),
    "no list without its sign": ({"data.name": "a"}, {"data": [{"name": "a"}]}),
    "or": ({"$or": [{"cities": "london"}, {"n": {"$gte": 5}}]}, {"cities": ["paris"], "n": 5}),
    "and beside or": (
        {"$and": [{"age": {"$gte": 10}}, {"$or": [{"type": "weekly"}, {"type": "daily"}]}]},
        {"age": 12, "type": "daily"},
    ),
    "a pattern": ({"name": {"$regex": "^a+b"}}, {"name": "aab"}),
    "a pattern of a number": ({"name": {"$regex": "1"}}, {"name": 1}),
    "one of": ({"type": {"$in": ["a", "b"]}}, {"type": "b"}),
    "none of": ({"type": {"$nin": ["a", "b"]}}, {"type": "c"}),
    "in a list": ({"tags": {"$in": "a"}}, {"tags": ["a"]}),
    "not in a list": ({"tags": {"$nin": "a"}}, {"tags": ["b"]}),
    "in a text": ({"tags": {"$in": "a"}}, {"tags": "abc"}),
    "an equal list": ({"tags": {"$eq": ["a", "b"]}}, {"tags": ["a", "b"]}),
    "exists": ({"n": {"$exist": True}}, {"n": 0}),
    "exists beside another value": ({"n": 0, "gone": {"$exist": False}}, {"n": 0}),
    "is there beside another value": ({"n": 0, "gone": {"$exist": False}}, {"n": 0, "gone": 1}),
    "a missing key": ({"status": {"$neq": "x"}}, {"n": 1}),
    # what differs here
    "a missing key beside another": ({"n": 1, "status": "x"}, {"n": 1}),
    "exists is missing beside another": ({"n": 1, "status": {"$exist": True}}, {"n": 1}),
    "null is another value": ({"status": {"$neq": "x"}}, {"status": None}),
    "a number as text": ({"n": 5}, {"n": "5"}),
    "a text is less": ({"n": {"$lt": 5}}, {"n": "x"}),
    "a later index of an inner list": (
        {"data.$.speakers.$.name": "b"},
        {"data": [{"speakers": [{"name": "a"}, {"name": "b"}]}]},
    ),
    # what is not carried
    "no key, alone": ({"gone": {"$exist": False}}, {"n": 1}),
    "or under a key": ({"n": {"$or": [{"$gt": 1}]}}, {"n": 3}),
    "a plain null": ({"n": None}, {"n": None}),
    "a plain list": ({"tags": ["a"]}, {"tags": ["a"]}),
    "a sign at the end": ({"tags.$": "a"}, {"tags": ["a"]}),
    "too many lists": ({"a.$.b.$.c.$.d.$.e": 1}, {"a": []}),
    "an unknown operator": ({"n": {"$startsWith": "a"}}, {"n": "a"}),
    "an empty object": ({"n": {}}, {"n": 1}),
    "order of a text": ({"n": {"$gt": "a"}}, {"n": "b"}),
}
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
