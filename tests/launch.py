"""Runs the command line with some module constants changed: `launch.py '{"bridge.web.intake.READ_TIME": 1}' serve`."""

from __future__ import annotations

import json
import sys
from importlib import import_module

from bridge.cli import main

if __name__ == "__main__":
    for name, value in json.loads(sys.argv[1]).items():
        module, _, constant = name.rpartition(".")
        getattr(import_module(module), constant)  # an unknown one is an error
        setattr(import_module(module), constant, value)
    main(sys.argv[2:])
