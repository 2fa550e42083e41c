"""A real PgBouncer in front of the PostgreSQL server of the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from deploying import needs
from serving import free_port, until
from sqlalchemy import make_url

SETTINGS = """
[databases]
{database} = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
ignore_startup_parameters = extra_float_digits
"""


@contextmanager
def pgbouncer(url: str, mode: str) -> Iterator[str]:
    """Run a PgBouncer with this `pool_mode`, and return the URL of the database behind it."""
    needs("pgbouncer")
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin") or ""
    behind = make_url(url)
    host = str(behind.host or behind.query["host"])
    listen = free_port()
    with TemporaryDirectory(prefix="flowbridge-pgbouncer-") as folder:
        Path(folder).chmod(0o755)  # for the user that it runs as
        file = Path(folder) / "pgbouncer.ini"
        file.write_text(
            SETTINGS.format(
                database=behind.database,
                host=host,
                port=behind.port or 5432,
                user=behind.username,
                listen=listen,
                mode=mode,
            )
        )
        # it refuses to be root; whoever owns the folder of the server's socket can connect there
        user = Path(host).stat().st_uid if os.getuid() == 0 else None
        process = subprocess.Popen(
            [program, file],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            user=user,
            extra_groups=[] if os.getuid() == 0 else None,
        )
        try:
            assert process.stderr is not None
            until(lambda: "process up" in process.stderr.readline(), seconds=60, what="PgBouncer")
            yield behind.set(
                drivername="postgresql", host="127.0.0.1", port=listen, query={}
            ).render_as_string(hide_password=False)
        finally:
            process.kill()  # SIGTERM waits for its clients
            process.communicate()
