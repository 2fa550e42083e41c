"""What is set of gunicorn is the same by the short way and by its own."""

from __future__ import annotations

from flask import Flask

from bridge.settings import load_settings
from bridge.web import serving


def test_its_settings_are_found_without_asking_it_and_are_what_they_were() -> None:
    chosen = serving.options(load_settings({}), lambda _: None)
    cfg = serving.Receivers(Flask("nothing"), chosen, lambda: None).cfg
    before = {name: getattr(cfg, name) for name in cfg.settings}
    assert not vars(cfg).keys() & before.keys()
    serving._at_hand(cfg)
    assert vars(cfg).keys() > before.keys()
    assert {name: getattr(cfg, name) for name in cfg.settings} == before
    assert (cfg.threads, cfg.keepalive, cfg.forwarder_headers) == (serving.THREADS, 75, [])
