"""token --server: the access tokens of a bridge of another machine."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from both_ways import BothWays, serve_both_ways


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[BothWays]:
    with serve_both_ways(tmp_path_factory.mktemp("both")) as served:
        served.token = served.add_token("laptop", "read,bodies,act,admin")
        yield served


def test_the_list_is_the_same_both_ways(both: BothWays) -> None:
    both.remote("token", "list")  # so that its use is recorded
    assert "laptop" in both.assert_same("token", "list")
    both.assert_same("token", "list", "--json")


def test_a_new_token_is_printed_once_and_works_at_once(both: BothWays) -> None:
    made = both.remote("token", "add", "a script/1", "--scope", "reader", "--expires", "90d")
    assert made.returncode == 0, made.stderr
    assert both.remote("status", token=made.stdout.strip()).returncode == 0
    assert made.stderr.startswith("a script/1 (tok_")
    assert f"{both.server}/admin/v1/status" in made.stderr
    [listed] = [
        one
        for one in map(json.loads, both.local("token", "list", "--json").stdout.splitlines())
        if one["name"] == "a script/1"
    ]
    assert listed["scopes"] == ["read", "bodies"]
    assert made.stdout.strip() not in both.local("audit", "--json").stdout
    assert "é@laptop" in both.local("audit").stdout
    as_json = both.remote("token", "add", "more", "--scope", "read", "--scope", "act", "--json")
    assert list(json.loads(as_json.stdout)) == ["id", "name", "scopes", "ends_at", "token"]


def test_a_token_is_removed_by_its_name_or_a_part_of_its_id(both: BothWays) -> None:
    for text in ("by/name", None):
        made = both.remote("token", "add", "by/name", "--scope", "read", "--json")
        new = json.loads(made.stdout)
        asked = text or new["id"][:-3]
        looked = both.remote("token", "remove", asked, "--dry-run")
        assert looked.stdout == f"the token by/name ({new['id']}) will be removed\n", looked.stderr
        assert both.remote("status", token=new["token"]).returncode == 0
        gone = both.remote("token", "remove", asked, "--yes")
        assert gone.stdout == f"removed: by/name ({new['id']})\n", gone.stderr
        assert both.remote("status", token=new["token"]).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("add", "x", "--scope", "raed"), 2),
        (("add", "x", "--scope", "read", "--expires", "soon"), 2),
        (("add", "laptop", "--scope", "read"), 2),
        (("add", " x", "--scope", "read"), 2),
        (("remove", "lapto", "--yes"), 1),
        (("remove", "tok_", "--yes"), 1),
    ],
)
def test_what_is_wrong_is_said_the_same_both_ways(
    both: BothWays, arguments: tuple[str, ...], code: int
) -> None:
    here = both.local("token", *arguments)
    there = both.remote("token", *arguments)
    assert (there.returncode, there.stdout) == (here.returncode, here.stdout) == (code, "")
    assert there.stderr.splitlines()[-1] == here.stderr.splitlines()[-1]


def test_a_token_without_the_scope_admin_is_refused(both: BothWays) -> None:
    acting = both.add_token("acting", "read,bodies,act")
    for arguments in (("list",), ("add", "x", "--scope", "read"), ("remove", "laptop", "--yes")):
        done = both.remote("token", *arguments, token=acting)
        assert (done.returncode, done.stdout) == (1, "")
        assert "needs the scope `admin`" in done.stderr


def test_a_token_can_remove_itself(both: BothWays) -> None:
    own = both.add_token("own", "admin")
    assert both.remote("token", "remove", "own", "--yes", token=own).returncode == 0
    done = both.remote("token", "list", token=own)
    assert done.returncode == 1
    assert "was removed" in done.stderr
