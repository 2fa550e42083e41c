"""Runs `check` on a project with one route, and reads its warnings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from command_line import lines, run

SECRET = "${env:SECRET}"
SOURCES = f"""version: 1
platforms: {{local: {{type: local}}}}
sources:
  github: {{provider: github, secret: "{SECRET}"}}
  stripe: {{provider: stripe, secret: "{SECRET}"}}
  shop: {{provider: shopify, secret: "{SECRET}"}}
  own: {{provider: hmac, secret: "{SECRET}", verify: {{header: X-Signature}}}}
  contact: {{provider: form}}
  order: {{provider: form, schema: {{type: object, properties: {{email: {{type: string}}, amount: {{type: number}}}}}}}}
routes:
"""


def write_environment(folder: Path) -> None:
    """Set the secret of all sources in the .env of a project."""
    (folder / ".env").write_text("SECRET=whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0\n")


def warnings(folder: Path, route: str) -> list[dict[str, Any]]:
    """What `check` warns of in a route, besides sources without one."""
    write_environment(folder)
    (folder / "routes.yaml").write_text(f"{SOURCES}  - {{name: one, flow: local/echo, {route}}}\n")
    (found,) = lines(run("check", "--json"))
    assert found["valid"]
    return [one for one in found["problems"] if one["path"].startswith("routes.")]
