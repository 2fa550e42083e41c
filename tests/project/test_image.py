"""deploy/Dockerfile and compose.yaml, without Docker: what the image runs is run without one, and
the files are read by their tools.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from deploying import needs
from folders import DEPLOY
from serving import Bridge, free_port, until

ROOT = DEPLOY.parent
FILE = DEPLOY / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile: (name, the rest on one line)."""
    lines = "\n".join(line for line in FILE.read_text().splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", lines)
    return [
        (name, rest)
        for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]


def last_stage() -> dict[str, str]:
    """Each instruction of the stage that is the image, the last of its kind."""
    all_of_them = instructions()
    begins = max(at for at, (name, _) in enumerate(all_of_them) if name == "FROM")
    return dict(all_of_them[begins:])


def image_environ() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in shlex.split(last_stage()["ENV"]))


def test_the_image_runs_as_nobody_in_particular_from_what_is_in_the_tree() -> None:
    stage = last_stage()
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", stage["USER"])
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for name, rest in instructions():
        assert name != "ADD"
        if name == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in ignored
    assert ignored[0] == "*"


#: Extras for another machine than the bridge's: `flowbridge mcp` runs beside an agent.
NOT_IN_THE_IMAGE = {"mcp.txt"}


def test_it_installs_what_has_a_hash_and_nothing_else() -> None:
    (command,) = (rest for name, rest in instructions() if name == "RUN" and "pip install" in rest)
    libraries, ours = (re.sub(r"\s+", " ", part) for part in command.split("&&")[1:3])
    names = {path.name for path in (DEPLOY / "requirements").iterdir()} - NOT_IN_THE_IMAGE
    files = {f"deploy/requirements/{name}" for name in names}
    assert (
        "--require-hashes" in libraries
        and "--only-binary :all:" in libraries
        and set(re.findall(r"-r (\S+)", libraries)) == files
    )
    assert "--no-deps --no-build-isolation ." in ours


@pytest.mark.usefixtures("before_release")
def test_base_images_are_named_by_digest() -> None:
    named = [rest.partition(" ")[0] for name, rest in instructions() if name == "FROM"]
    assert named == ["${PYTHON_IMAGE}"] * 2
    (python,) = (
        rest.removeprefix("PYTHON_IMAGE=") for name, rest in instructions() if name == "ARG"
    )
    found = composed("postgres", "celery")
    assert found["flowbridge"]["build"]["args"]["PYTHON_IMAGE"] == python
    for image in (python, found["postgres"]["image"], found["redis"]["image"]):
        assert re.fullmatch(r"[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}", image), image
    given = {
        f"{name}_IMAGE": f"{name.lower()}:1@sha256:{'a' * 64}"
        for name in ("PYTHON", "POSTGRES", "REDIS")
    }
    found = composed("postgres", "celery", **given)
    assert found["flowbridge"]["build"]["args"]["PYTHON_IMAGE"] == given["PYTHON_IMAGE"]
    assert (found["postgres"]["image"], found["redis"]["image"]) == (
        given["POSTGRES_IMAGE"],
        given["REDIS_IMAGE"],
    )


@pytest.mark.usefixtures("before_release")
def test_only_the_gateway_is_trusted_to_say_who_called() -> None:
    """Any container of the network could write X-Forwarded-For."""
    other = {"DOCKER_SUBNET": "10.9.0.0/24", "DOCKER_GATEWAY": "10.9.0.1"}
    for environ, subnet, gateway in (
        ({}, "172.30.69.0/24", "172.30.69.1"),
        (other, "10.9.0.0/24", "10.9.0.1"),
    ):
        (network,) = composed_file(**environ)["networks"]["default"]["ipam"]["config"]
        assert (network["subnet"], network["gateway"]) == (subnet, gateway)
        assert (
            composed(**environ)["flowbridge"]["environment"]["FLOWBRIDGE_TRUSTED_PROXIES"]
            == gateway
        )


@pytest.fixture
def image(tmp_path: Path, before_release: None) -> Bridge:
    """The image's entrypoint and command with its environment, on this machine's paths and
    ports.
    """
    stage = last_stage()
    given = image_environ()
    assert json.loads(stage["ENTRYPOINT"]) == ["flowbridge"]
    port = free_port()
    private = free_port()
    environ = {name: value for name, value in given.items() if name.startswith("FLOWBRIDGE_")}
    assert environ["FLOWBRIDGE_CONFIG"].startswith(stage["WORKDIR"])
    environ |= {
        "FLOWBRIDGE_CONFIG": str(tmp_path / "routes.yaml"),
        "FLOWBRIDGE_DATA": str(tmp_path / "data"),
        "FLOWBRIDGE_BIND": environ["FLOWBRIDGE_BIND"].replace("8080", str(port)),
        "FLOWBRIDGE_PRIVATE_BIND": environ["FLOWBRIDGE_PRIVATE_BIND"].replace("8081", str(private)),
    }
    return Bridge(tmp_path, *json.loads(stage["CMD"]), environ=environ, port=port)


@pytest.mark.usefixtures("before_release")
def test_its_command_runs_and_its_health_check_tells(image: Bridge) -> None:
    check = json.loads(last_stage()["HEALTHCHECK"].split("CMD", 1)[1])
    assert check[0] == "python3"
    command = [sys.executable, *(part.replace("8080", str(image.port)) for part in check[1:])]

    def health() -> int:
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert health() == 1
    with image:
        until(lambda: health() == 0, what="its health")  # it waits for four seconds
        event_id = image.event(b'{"in": "a container"}').json["event_id"]
        image.wait_for(event_id, lambda one: one.run_state == "done")
        # the private face is not on the published port
        assert image.get("/api/v1/get_pl_run").status == 404
        assert image.stop() == 0
    assert health() == 1


@pytest.mark.usefixtures("before_release")
def test_hadolint_finds_nothing() -> None:
    needs("hadolint")
    done = subprocess.run(["hadolint", str(FILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


# -- compose.yaml


def composed(*profiles: str, **environ: str) -> dict[str, Any]:
    """The services of the file, as docker-compose reads it."""
    return dict(composed_file(*profiles, **environ)["services"])


def composed_file(*profiles: str, **environ: str) -> dict[str, Any]:
    needs("docker-compose")
    options = [each for name in profiles for each in ("--profile", name)]
    command = [
        "docker-compose",
        "-f",
        str(DEPLOY / "compose.yaml"),
        *options,
        "config",
        "--format",
        "json",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environ}
    )
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(done.stdout))


@pytest.mark.usefixtures("before_release")
def test_the_log_of_each_container_is_limited() -> None:
    services = composed("postgres", "celery")
    assert set(services) == {"flowbridge", "celery", "postgres", "redis"}
    for service in services.values():
        assert service["logging"] == {
            "driver": "local",
            "options": {"max-size": "20m", "max-file": "5"},
        }


@pytest.mark.usefixtures("before_release")
@pytest.mark.parametrize(
    ("profiles", "services"),
    [
        ((), {"flowbridge"}),
        (("postgres",), {"flowbridge", "postgres"}),
        (("postgres", "celery"), {"flowbridge", "postgres", "redis", "celery"}),
    ],
)
def test_profiles_start_what_they_say(profiles: tuple[str, ...], services: set[str]) -> None:
    found = composed(*profiles)
    assert set(found) == services
    for name in services & {"flowbridge", "celery"}:
        one = found[name]
        assert (one["read_only"], one["cap_drop"], one["security_opt"]) == (
            True,
            ["ALL"],
            ["no-new-privileges:true"],
        )
        mounts = {each["target"]: each.get("read_only", False) for each in one["volumes"]}
        assert mounts == {"/config": True, "/data": False}
    published = [each for one in found.values() for each in one.get("ports", [])]
    assert [(each["host_ip"], each["target"]) for each in published] == [("127.0.0.1", 8080)]


@pytest.mark.usefixtures("before_release")
def test_settings_reach_the_container() -> None:
    url = "postgresql://flowbridge:x@postgres/flowbridge"
    given = composed("postgres", FLOWBRIDGE_DATABASE_URL=url, FLOWBRIDGE_SECRET_KEY="k" * 32)[
        "flowbridge"
    ]["environment"]
    assert (given["FLOWBRIDGE_DATABASE_URL"], given["FLOWBRIDGE_SECRET_KEY"]) == (url, "k" * 32)
    # what is not set is not there, so that the .env beside routes.yaml counts
    nothing = composed()["flowbridge"]["environment"]
    assert {name for name, value in nothing.items() if value is not None} == {
        "FLOWBRIDGE_TRUSTED_PROXIES"
    }
