"""A configuration of sources, routes and platforms for the pages of the console, with secrets."""

from __future__ import annotations

from pathlib import Path

from bridge.config.loader import load
from bridge.routing.model import Config

LITERAL = "s3cret-of-the-file-0123456789"
ROUTES = """
version: 1
platforms:
  gumloop: {type: gumloop, api_key: "%(literal)s", user_id: "${env:USER_ID}", base_url: "%(url)s"}
  local: {type: local}
  crm: {type: http, url: "https://crm.example/%(literal)s"}
sources:
  github: {provider: github, secrets: ["%(literal)s", {value: "${env:OLD}", not_after: 2020-01-01}]}
  asana: {provider: asana}
  stripe: {provider: stripe, secret: "${env:NOT_SET}"}
  contact: {provider: form}
flows:
  triage: {platform: gumloop, saved_item_id: echo}
routes:
  - name: triage
    on: github issues
    match: {body.action: opened, body.repository: site}
    inputs: {title: "${body.title}", url: "${body.url}"}
    flow: triage
  - {name: both, on: contact, inputs: {text: "${form.message}"}, flow: [triage, crm/x], mode: paused}
"""


def write_config(folder: Path, *, url: str = "http://127.0.0.1:1/api/v1", text: str = "") -> Config:
    """Return the configuration, whose gumloop platform is at a URL; `text` replaces the YAML."""
    path = folder / "given.yaml"
    path.write_text((text or ROUTES) % {"literal": LITERAL, "url": url})
    return load(path, {"USER_ID": "fake-user", "OLD": "o" * 30}, strict_secrets=False)
