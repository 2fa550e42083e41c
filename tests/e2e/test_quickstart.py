"""docs/quickstart.md, typed into two terminals of 80 columns from its first line to Gumloop."""

from __future__ import annotations

import re
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from deploying import needs
from fake_platform import FakePlatform
from folders import DOCS
from processes import PATIENCE, environment
from ruamel.yaml import YAML
from serving import free_port
from terminals import COLUMNS, Terminal

PAGE = (DOCS / "quickstart.md").read_text("utf-8").partition("## 6.")[0]
BLOCKS = re.findall(r"^( *)```(\w+)\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
SAVED_ITEM = "q3dasHQBidkNeXvAZo6Dby"
#: What a command of the page prints, by the beginning of it, and its exit code if it is not 0.
EXPECTED: dict[str, tuple[str, int]] = {
    "flowbridge init": ("flowbridge check", 0),
    "flowbridge check": ("routes.yaml is valid", 0),
    "flowbridge sample github": ("202", 0),
    "flowbridge events": ("delivered, done", 0),
    "flowbridge show": ("done", 0),
    "flowbridge rejects": ("mismatch", 0),
    "curl": ('"ok":true', 0),
    "flowbridge deliveries": ("welcome", 0),
    "flowbridge flows list": (SAVED_ITEM, 0),
    "flowbridge flows run": ("done", 0),
}

pytestmark = pytest.mark.usefixtures("new_processes")


def add_to_routes(path: Path, addition: str) -> str:
    """Return a routes.yaml as the page says: with more in its mappings, and routes by name."""
    yaml = YAML()
    config, new = yaml.load(path.read_text("utf-8")), yaml.load(addition)
    for section, entries in new.items():
        if isinstance(entries, dict):
            config.setdefault(section, {}).update(entries)
            continue
        for route in entries:
            others: list[Any] = [one for one in config[section] if one["name"] != route["name"]]
            config[section] = [*others, route]
    out = StringIO()
    yaml.dump(config, out)
    return out.getvalue()


def expected(command: str) -> tuple[str, int]:
    """Return what a command prints, and its exit code."""
    if "--tamper" in command:
        return "401", 0
    return next(value for prefix, value in EXPECTED.items() if command.startswith(prefix))


def fits(text: str) -> bool:
    """Return whether a table is as narrow as the terminal; a sentence may be wrapped by it."""
    is_table = text.startswith(text.split(" ", maxsplit=1)[0].upper())
    return not is_table or all(len(line) <= COLUMNS for line in text.splitlines())


def test_the_page_walked_in_two_terminals(tmp_path: Path) -> None:
    needs("curl")
    port = free_port()
    bin_folder = Path(sys.executable).parent
    environ = environment(
        FLOWBRIDGE_BIND=f"127.0.0.1:{port}", HOME=str(tmp_path), PATH=f"{bin_folder}:/usr/bin:/bin"
    )
    project = tmp_path / "my-hooks"
    routes_file = project / "routes.yaml"
    with (
        FakePlatform() as platform,
        Terminal(tmp_path, environ) as person,
        Terminal(tmp_path, environ) as server,
    ):
        platform.flows[SAVED_ITEM] = ["title", "text"]

        def run(command: str) -> None:
            if command == "flowbridge serve":
                server.run("cd my-hooks")
                begin = server.type(command)
                server.wait_for("listens on", begin)
                return
            expected_text, code = ("", 0) if command.startswith("cd ") else expected(command)

            until = time.monotonic() + PATIENCE
            while expected_text not in (printed := person.run(command)).text:  # it takes a moment
                assert time.monotonic() < until, f"no {expected_text} in {printed.text}"
            assert printed.code == code, printed
            assert fits(printed.text), printed.text

        for indent, language, block in BLOCKS[1:]:
            text = re.sub(rf"^{indent}", "", block, flags=re.MULTILINE)
            if language == "sh":
                for command in text.splitlines():
                    run(command.replace(":8080", f":{port}"))
            elif language == "python":
                with (project / "flows.py").open("a") as file:
                    file.write("\n\n" + text)
            elif language == "yaml":
                address = f"type: gumloop\n    base_url: {platform.base_url}\n"
                added = text.replace("type: gumloop\n", address)
                begin = len(server.text)
                routes_file.write_text(add_to_routes(routes_file, added), "utf-8")
                server.wait_for("routes.yaml reloaded", begin)
            elif "GUMLOOP_API_KEY" in text:
                values = (platform.api_key, platform.user_id)
                with (project / ".env").open("a") as file:
                    file.write(text.replace("...", "{}").format(*values))
        assert "message" in (project / "data/files/messages.jsonl").read_text("utf-8")
        assert platform.accepted
        server.interrupt()
