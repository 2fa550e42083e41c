"""Where the files are that tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DOCS = ROOT / "docs"
TESTS = ROOT / "tests"
CLIENTS = TESTS / "clients"
DATA = TESTS / "data"
SUPPORT = TESTS / "support"
