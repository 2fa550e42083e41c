"""What is set of gunicorn is the same by the short way and by its own."""

from __future__ import annotations

from flask import Flask

from bridge.config.settings import load_settings
from bridge.web.server import app


def test_its_settings_are_found_without_asking_it_and_are_what_they_were() -> None:
    chosen = app.options(load_settings({}), lambda _: None)
    cfg = app.Receivers(Flask("nothing"), chosen, lambda: None).cfg
    before = {name: getattr(cfg, name) for name in cfg.settings}
    assert not vars(cfg).keys() & before.keys()
    app._cache_settings(cfg)
    assert vars(cfg).keys() > before.keys()
    assert {name: getattr(cfg, name) for name in cfg.settings} == before
    assert (cfg.threads, cfg.keepalive, cfg.forwarder_headers) == (app.THREADS, 75, [])
