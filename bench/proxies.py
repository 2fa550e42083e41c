"""The documented proxies, `deploy/nginx.conf` and `deploy/Caddyfile`, without TLS and on free ports."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import rig

DEPLOY = rig.HERE.parent / "deploy"
HOST = "hooks.example.com"


def installed() -> list[str]:
    """Return the proxies that this machine has."""
    return [name for name in PROXIES if shutil.which(name)]


@contextlib.contextmanager
def proxy(name: str, upstream: int) -> Iterator[int]:
    """Run a proxy before the port `upstream`; give its port."""
    port = rig.free_port()
    with rig.folder() as path:
        command = PROXIES[name](path, port, upstream)
        with rig.process(command, f"http://127.0.0.1:{port}/healthz", HOME=str(path)):
            yield port


def _nginx(path: Path, port: int, upstream: int) -> list[str]:
    site = (DEPLOY / "nginx.conf").read_text()
    _, zones, https = re.split(r"(?s)(limit_req_zone.*?)server \{\n    listen 80;", site)
    https = https[https.index("server {") :].replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    https = re.sub(r" *(listen \[|ssl_).*\n", "", https)
    text = (zones + https).replace("127.0.0.1:8080", f"127.0.0.1:{upstream}")
    folders = "".join(
        f"{kind}_temp_path {path}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = path / "nginx.conf"
    user = "user root; " if os.getuid() == 0 else ""  # the folder is the owner's
    config.write_text(
        f"daemon off; {user}pid {path}/pid; error_log {path}/error.log;\n"
        f"events {{ worker_connections 1024; }}\nhttp {{\n{folders}"
        f"{text.replace('/var/log/nginx', str(path))}}}\n"
    )
    return ["nginx", "-p", str(path), "-c", str(config), "-e", f"{path}/error.log"]


def _caddy(path: Path, port: int, upstream: int) -> list[str]:
    text = (DEPLOY / "Caddyfile").read_text()
    text = text.replace("{\n\tservers {", "{\n\tadmin off\n\tservers {", 1)
    text = text.replace(f"\n{HOST} {{", f"\nhttp://:{port} {{", 1)
    config = path / "Caddyfile"
    config.write_text(text.replace("127.0.0.1:8080", f"127.0.0.1:{upstream}"))
    return ["caddy", "run", "--config", str(config), "--adapter", "caddyfile"]


PROXIES = {"nginx": _nginx, "caddy": _caddy}
