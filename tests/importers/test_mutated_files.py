"""Files of the corpora with wrong values, keys and tags: each is refused, or gives a routes.yaml
that `check` accepts.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bridge.config.problems import Report
from bridge.config.yaml_reader import YamlFile, read_yaml
from bridge.core.errors import InvalidRequest
from bridge.importers.import_files import check_routes
from bridge.importers.kinds import import_files
from bridge.importers.routes_text import write_environment, write_routes

DATA = Path(__file__).parents[1] / "data"
VALUES: tuple[Any, ...] = (
    *(None, True, 5, 1.5, "", "{{ x }}", "a.b.", "$", "'", "${env:X}", "é\n", "[", "a b", "-" * 80),
    *([], {}, [None], {"match": None}, {"and": [{}]}, "root.0", "payload"),
    *({"$or": [{"$not": []}]}, {"$exist": False}, {"$in": [None]}, {"$ref": "a[$index].b"}, -1e400),
)
KEYS = (
    "and",
    "or",
    "not",
    "match",
    "name",
    "type",
    "value",
    "unknown",
    "$or",
    "$not",
    "$gt",
    "a.$",
)
PARTS = ("<", ">", '"', "'", "${env:X}", "<form>", "</form>", "=", "\0", "name=", "<!--", "&#x0;")


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value inside."""
    listed = value if isinstance(value, list) else []
    for key, one in value.items() if isinstance(value, dict) else enumerate(listed):
        yield (*path, key)
        yield from paths(one, (*path, key))


def mutate(document: Any, dice: random.Random) -> Any:
    changed = copy.deepcopy(document)
    for _ in range(dice.choice((1, 1, 2, 4))):
        places = list(paths(changed))
        if not places:
            break
        *steps, last = dice.choice(places)
        inside = changed
        for step in steps:
            inside = inside[step]
        chance = dice.random()
        if chance < 0.6:
            inside[last] = copy.deepcopy(dice.choice(VALUES))
        elif chance < 0.8 and isinstance(inside, dict):
            inside[dice.choice(KEYS)] = inside.pop(last)
        else:
            del inside[last]
    return changed


def import_whole(name: str, text: str, kind: str) -> None:
    with suppress(InvalidRequest):
        result = import_files([(name, text)], kind)
        check_routes(write_routes(result), result.files)
        write_environment(result.secrets)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("kind", "folder"),
    [("webhook", "hooks"), ("n8n", "n8n"), ("hookdeck", "hookdeck"), ("convoy", "convoy")],
)
def test_mutated_documents(kind: str, folder: str) -> None:
    dice = random.Random(3)
    documents = []
    for file in sorted((DATA / folder).iterdir()):
        report = Report(file.name)
        document = read_yaml(YamlFile(file.name, file.read_text()), report)
        documents += [] if report.failed else [document]
    assert len(documents) >= 8
    for _ in range(100):
        text = json.dumps(mutate(dice.choice(documents), dice))
        import_whole("file.json", text, kind)


def test_mutated_pages() -> None:
    dice = random.Random(4)
    pages = [file.read_text() for file in sorted((DATA / "pages").iterdir())]
    for _ in range(100):
        text = dice.choice(pages)
        for _ in range(dice.choice((1, 2, 5))):
            at = dice.randrange(len(text))
            text = text[:at] + dice.choice(PARTS) + text[at + dice.choice((0, 1, 5)) :]
        import_whole("page.html", text, "html")
