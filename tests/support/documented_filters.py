"""Filters as Hookdeck and Convoy document them, and those that their programs treat otherwise."""

from __future__ import annotations

from typing import Any

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
