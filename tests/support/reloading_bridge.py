"""Runs a bridge whose configuration files change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serving import Bridge, github, signature, until

TOKEN = "admin-token-of-thirty-two-characters"
ADMIN = {"Authorization": f"Bearer {TOKEN}"}
OTHER = "another secret that is long enough"
QUICK = {"config_poll_seconds": 0.1, "config_quiet_seconds": 0.1}
BEAT = {"heartbeat_seconds": 0.3}
HEAD = """
version: 1
platforms:
  local: {type: local}
sources:
  github: {provider: github, secret: "${env:HOOK_SECRET}"}
routes:
"""
ROUTE = '  - {name: NAME, on: github, inputs: {by: NAME, body: "${body}"}, flow: local/echo}\n'


def routes(*names: str, head: str = HEAD) -> str:
    return (
        head + "".join(ROUTE.replace("NAME", name) for name in names) + ("" if names else "  []\n")
    )


class Reloading(Bridge):
    """A bridge whose files change."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        text: str = routes("first"),
        timings: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        more["environ"] = {"FLOWBRIDGE_ADMIN_TOKEN": TOKEN, **more.get("environ", {})}
        super().__init__(
            folder,
            *arguments,
            routes=text,
            timings={**BEAT, **(QUICK if timings is None else timings)},
            **more,
        )
        (folder / ".env").write_text(f"HOOK_SECRET={OTHER}\n")

    @property
    def detail(self) -> dict[str, Any]:
        return self.get("/readyz", ADMIN).json

    def write(self, text: str) -> None:
        draft = self.config.with_name("routes.draft")
        draft.write_text(text)
        draft.replace(self.config)

    def taken(self, before: str, roles: tuple[str, ...] = ("reload", "web", "work")) -> str:
        """Wait until every process has another configuration than `before`, and return its hash."""

        def look() -> str | None:
            detail = self.detail
            processes = [one for one in detail["processes"] if one["role"] in roles]
            hashes = {one["config_hash"] for one in processes} | {detail["config"]["hash"]}
            return (
                hashes.pop()
                if len(hashes) == 1
                and before not in hashes
                and {one["role"] for one in processes} == set(roles)
                else None
            )

        return until(look, what="the same in every process") or ""

    def swap(self, text: str, **more: Any) -> str:
        before = self.detail["config"]["hash"]
        self.write(text)
        return self.taken(before, **more)

    def planned(self, secret: str = OTHER) -> Any:
        """Post an event and return it with what became of it at once."""
        body = b'{"n": 1}'
        answer = self.post(
            "/hooks/github", body, github(body) | {"X-Hub-Signature-256": signature(body, secret)}
        )
        assert answer.status == 202, answer
        return self.found(answer.json["event_id"])

    def status_of(self, secret: str) -> int:
        return self.post(
            "/hooks/github",
            b"{}",
            github(b"{}") | {"X-Hub-Signature-256": signature(b"{}", secret)},
        ).status

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == event]
