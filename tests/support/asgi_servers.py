"""A bridge whose receivers are those of another ASGI server."""

from __future__ import annotations

import sys
from pathlib import Path

from serving import Bridge


class GunicornAsgi(Bridge):
    """gunicorn's own ASGI worker, with the application of `bridge.cli.asgi`.

    `arguments`: "web", and further arguments of gunicorn.
    """

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "gunicorn", "-k", "asgi"),
            *("--bind", f"127.0.0.1:{self.port}", "--no-control-socket"),
            *("--graceful-timeout", "8", "--pythonpath", str(Path(__file__).parent)),
            *self.arguments[1:],
            "asgi_launch:create()",
        ]
