"""Print a [project] table for the SBOM, as setup.cfg is not read by cyclonedx-py.

    python deploy/build/sbom_project.py SITE_PACKAGES

It has the name, the version, and what flowbridge requires with every extra that is installed there.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def project(folder: str) -> str:
    """Return the table."""
    found = list(metadata.distributions(path=[folder]))
    installed = {canonicalize_name(one.metadata["Name"]): one for one in found}
    flowbridge = installed["flowbridge"]
    required = {canonicalize_name(Requirement(line).name) for line in flowbridge.requires or []}
    lines = [f"{name}=={installed[name].version}" for name in sorted(required & installed.keys())]
    return (
        f'[project]\nname = "flowbridge"\nversion = "{flowbridge.version}"\n'
        f"dependencies = {json.dumps(lines)}\n"
    )


if __name__ == "__main__":
    sys.stdout.write(project(sys.argv[1]))
