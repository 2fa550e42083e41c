"""show --save: the files of an event, in a folder of the operator's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import lines, run
from records import make_event

from bridge.core.model import Event, FormFile
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.inbound import events


def event_with(store: Database, folder: Path, *names: str) -> Event:
    """An event with a file of each of these names, which holds its number."""
    blobs = BlobStore(folder / "data" / "blobs")
    kept = [(name, blobs.store(f"file {number}".encode())) for number, name in enumerate(names)]
    files = [
        FormFile(field="cv", name=name, type="text/plain", size=6, sha256=sha256)
        for name, sha256 in kept
    ]
    event = make_event(files=tuple(files))
    events.add(store, event, [], lambda *_: [])
    return event


def written(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_files_are_written_and_nothing_is_written_over(store: Database, folder: Path) -> None:
    event = event_with(store, folder, "cv.pdf", "Zeugnis ü.pdf", "cv.pdf")
    assert f"flowbridge show {event.id} --save DIR" in run("show", event.id).stdout
    done = run("show", event.id[:12], "--save", "cvs/new")
    assert (done.exit_code, done.stdout) == (
        0,
        "cvs/new/cv.pdf\ncvs/new/Zeugnis ü.pdf\ncvs/new/cv-2.pdf\n",
    )
    assert written(folder / "cvs/new") == {
        "cv.pdf": "file 0",
        "Zeugnis ü.pdf": "file 1",
        "cv-2.pdf": "file 2",
    }
    assert (folder / "cvs/new/cv.pdf").stat().st_mode & 0o777 == 0o600
    (folder / "cvs/new/Zeugnis ü.pdf").write_text("mine")
    found = lines(run("show", event.id, "--save", "cvs/new", "--json"))
    assert [one["path"] for one in found] == [
        f"cvs/new/{name}" for name in ("cv-3.pdf", "Zeugnis ü-2.pdf", "cv-4.pdf")
    ]
    assert (found[0]["name"], found[0]["field"]) == ("cv.pdf", "cv")
    assert written(folder / "cvs/new")["Zeugnis ü.pdf"] == "mine"


@pytest.mark.parametrize(
    ("name", "became"),
    [
        ("../../x.sh", "x.sh"),
        ("/etc/passwd", "passwd"),
        ("..", "file"),
        (".bashrc", "bashrc"),
        ("", "file"),
        ("a\\b\nc\x1b[31m.txt", "bc[31m.txt"),
    ],
)
def test_no_name_leads_out_of_the_folder(
    store: Database, folder: Path, name: str, became: str
) -> None:
    event = event_with(store, folder, name)
    before = {path for path in folder.rglob("*") if path.is_file()}
    assert run("show", event.id, "--save", "out").exit_code == 0
    assert {path for path in folder.rglob("*") if path.is_file()} - before == {
        folder / "out" / became
    }


def test_a_link_in_the_folder_is_not_followed(store: Database, folder: Path) -> None:
    event = event_with(store, folder, "cv.pdf")
    (folder / "out").mkdir()
    (folder / "out" / "cv.pdf").symlink_to(folder / "elsewhere")
    assert run("show", event.id, "--save", "out").stdout == "out/cv-2.pdf\n"
    assert not (folder / "elsewhere").exists()


def test_what_cannot_be_had_is_said_and_the_rest_is_written(store: Database, folder: Path) -> None:
    event = event_with(store, folder, "a.txt", "b.txt")
    BlobStore(folder / "data" / "blobs").path(event.files[0].sha256).unlink()
    done = run("show", event.id, "--save", "out")
    assert (done.exit_code, done.stdout) == (
        1,
        "out/b.txt\n",
    ) and "the bytes of a.txt are not in the data folder" in done.stderr
    plain = make_event("2")
    events.add(store, plain, [], lambda *_: [])
    assert "has no files" in run("show", plain.id, "--save", "out").stderr
    assert "a reject has no files" in run("show", "rej_1", "--save", "out").stderr
    (folder / "taken").write_text("")
    assert run("show", event.id, "--save", "taken").exit_code == 2
    assert "cannot write to" in run("show", event.id, "--save", "taken/below").stderr
