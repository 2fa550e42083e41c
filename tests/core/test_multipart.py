"""multipart/form-data of browsers and libraries is parsed; invalid bodies are refused."""

from __future__ import annotations

import pytest
import requests
from forms import BOUNDARY, multipart, part
from growth import CACHED_BYTES, Work, check_growth
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.multipart import (
    MAX_FILE_NAME_BYTES,
    MultipartError,
    parse_parts,
    sanitize_file_name,
)

Read = list[tuple[str, str | None, bytes]]


def read(raw: bytes, boundary: str = BOUNDARY) -> Read:
    return [(*one.names, raw[one.begin : one.end]) for one in parse_parts(raw, boundary)]


def test_what_a_browser_sends() -> None:
    raw = multipart(
        part("name", "Zoë".encode()),
        part("cv", b"a\r\n--b\r\n\0", "Zoë's cv.pdf", "application/pdf"),
        part("empty", b""),
    )
    assert read(raw) == [
        ("name", None, "Zoë".encode()),
        ("cv", "Zoë's cv.pdf", b"a\r\n--b\r\n\0"),
        ("empty", None, b""),
    ]
    assert [one.type[0] for one in parse_parts(raw, BOUNDARY)] == ["", "application/pdf", ""]


@pytest.mark.parametrize(
    "raw",
    [
        (
            b"preamble\r\n--b\r\nContent-Disposition: form-data;"
            b' name="a"\r\n\r\n1\r\n--b--\r\nepilogue\r\n--b\r\n'
        ),
        b'--b\nContent-Disposition: form-data; name="a"\n\n1\n--b--',
        b"--b \t\r\ncontent-disposition:form-data;name=a\r\nX-Other: 1\r\n\r\n1\r\n--b--",
        b"--b\r\nContent-Disposition: form-data; name=\"x\"; name*=UTF-8''a\r\n\r\n1\r\n--b--",
        (
            b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Disposition: form-data;'
            b' name="b"\r\n\r\n1\r\n--b--'
        ),
        b'--b\r\nContent-Disposition: FORM-DATA;NAME="a";other\r\n\r\n1\r\n--b--',
    ],
    ids=[
        "before and after",
        "LF alone",
        "blanks, an unquoted name",
        "an extended name",
        "a header twice",
        "capitals",
    ],
)
def test_other_ways_to_write_the_same(raw: bytes) -> None:
    assert read(raw, "b") == [("a", None, b"1")]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('"C:\\x\\y.txt"', "C:\\x\\y.txt"),
        ('"a\\"', "a\\"),
        (r'"a\"b\\c"', 'a"b\\c'),
        ('"a%22b%0D%0Ac%41"', 'a"b\r\nc%41'),
        ('"a; name=b"', "a; name=b"),
        ('"a"; filename="b"', "a"),
        ("a.txt", "a.txt"),
        ('""', ""),
        ("", ""),
        ("\"x\"; filename*=UTF-8''%e2%82%ac%20rates", "€ rates"),
        ("\"x\"; filename*=iso-8859-1'en'%A3", "£"),
        ('"x"; filename*=nonsense', ""),
    ],
)
def test_a_files_name_as_different_senders_write_it(written: str, name: str) -> None:
    head = f'Content-Disposition: form-data; name="a"; filename={written}'.encode()
    assert read(b"--b\r\n" + head + b"\r\n\r\n1\r\n--b--", "b")[0] == ("a", name, b"1")


def test_a_boundary_may_be_a_prefix_of_the_content() -> None:
    raw = (
        b"--b\r\nContent-Disposition: form-data;"
        b' name="a"\r\n\r\n1\r\n--bc\r\n--b-\r\n2\r\n--b--\r\n'
    )
    assert read(raw, "b") == [("a", None, b"1\r\n--bc\r\n--b-\r\n2")]


def test_a_part_without_headers_or_of_another_kind_has_no_name() -> None:
    raw = b'--b\r\n\r\n1\r\n--b\r\nContent-Disposition: attachment; name="a"\r\n\r\n2\r\n--b--'
    assert read(raw, "b") == [("", None, b"1"), ("", None, b"2")]


@pytest.mark.parametrize(
    ("raw", "boundary"),
    [
        (b"", "b"),
        (b"--b", "b"),
        (b"--b\r\n", "b"),
        (b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1", "b"),
        (b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--c--", "b"),
        (b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b", "b"),
        (b"--b\r\nContent-Disposition: form-data\r\n--b--", "b"),
        (b"--b\r\nX: " + b"x" * 9000 + b"\r\n\r\n1\r\n--b--", "b"),
        (b"--bx\r\n\r\n1\r\n--b--", "b"),
        (b"--b\r\n\r\n1\r\n--b--", ""),
        (b"--\xe9\r\n\r\n1\r\n--\xe9--", "é"),
        (b"-- \r\n\r\n1\r\n-- --", " "),
        (b"--b\r\n\r\n1\r\n--b--", "b" * 201),
    ],
)
def test_what_is_no_multipart_is_said_to_be_none(raw: bytes, boundary: str) -> None:
    with pytest.raises(MultipartError):
        list(parse_parts(raw, boundary))


# Browsers escape quotes and line ends; a backslash and %22 itself they write as they are, so that
# nobody can tell.
NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\%"),
    min_size=1,
    max_size=40,
).filter(str.strip)
CONTENTS = st.binary(max_size=300) | st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"--", b"\r\n--", f"\r\n--{BOUNDARY[:-1]}\r\n".encode()]
)


@given(st.lists(st.tuples(NAMES, CONTENTS, st.none() | NAMES), max_size=8))
@settings(deadline=None)
def test_what_a_browser_writes_is_read_as_it_was(sent: list[tuple[str, bytes, str | None]]) -> None:
    raw = multipart(*(part(name, content, filename) for name, content, filename in sent))
    assert read(raw) == [(name, filename, content) for name, content, filename in sent]


@given(
    st.lists(st.tuples(NAMES, CONTENTS, NAMES), min_size=1, max_size=8),
    st.dictionaries(NAMES, st.text(max_size=50)),
)
@settings(deadline=None)
def test_what_requests_writes_is_read_as_it_was(
    files: list[tuple[str, bytes, str]], fields: dict[str, str]
) -> None:
    given_ = [(name, (filename, content)) for name, content, filename in files]
    made = requests.Request("POST", "http://127.0.0.1/", data=fields, files=given_).prepare()
    boundary = made.headers["Content-Type"].partition("boundary=")[2]
    expected = [(name, None, text.encode()) for name, text in fields.items()] + [
        (name, filename, content) for name, content, filename in files
    ]
    assert read(bytes(made.body or b""), boundary) == expected


@given(
    st.lists(
        st.sampled_from(
            [
                b"--b",
                b"--b--",
                b"\r\n",
                b"\n",
                b"\r",
                b" ",
                b"Content-Disposition: form-data; name=a",
                b"x",
            ]
        ),
        max_size=30,
    )
)
def test_no_bytes_make_it_fail_otherwise(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    end = 0
    try:
        for one in parse_parts(raw, "b"):
            assert end <= one.begin <= one.end <= len(raw)
            end = one.end
    except MultipartError:
        pass


@pytest.mark.parametrize(
    ("first", "piece", "count"),
    [
        (b"--b\r\n", b"\r\n--bx", 100_000),
        (b"--b\r\n\r\n", b"\n--b \t", 100_000),
        (b"", b"\n", CACHED_BYTES),
        (b"--b\r\nX:", b"a:\n", 300_000),
    ],
    ids=["nearly boundaries", "blanks after boundaries", "line ends", "headers"],
)
def test_time_grows_with_size_only(first: bytes, piece: bytes, count: int) -> None:
    def prepare(size: int) -> Work:
        raw = first + piece * size

        def read_all() -> None:
            with pytest.raises(MultipartError):
                list(parse_parts(raw, "b"))

        return read_all

    check_growth(prepare, count)


# -- names of files


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("cv.pdf", "cv.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\Ann\\cv.pdf", "cv.pdf"),
        ("C:\\x", "x"),
        ("/", "file"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        ("a\0b.pdf", "ab.pdf"),
        ("cv\u202efdp.exe", "cvfdp.exe"),
        ("cv\u200b\ufeff.pdf\u2028", "cv.pdf"),
        (" .htaccess ", "htaccess"),
        ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie_ x=1.txt"),
        ('a"b<c>d|e?f*g.txt', "a_b_c_d_e_f_g.txt"),
        ("Zoe\u0308.txt", "Zoë.txt"),
        ("x" * 500 + ".pdf", "x" * (MAX_FILE_NAME_BYTES - 4) + ".pdf"),
        ("é" * 500 + ".pdf", "é" * ((MAX_FILE_NAME_BYTES - 4) // 2) + ".pdf"),
        ("x." + "y" * 500, "x." + "y" * (MAX_FILE_NAME_BYTES - 2)),
        ("a" * 100_000 + "/b", "b"),
        ("\xa0x\u3000.", "x"),
    ],
)
def test_a_files_name_is_one_name_that_can_be_shown(sent: str, name: str) -> None:
    assert sanitize_file_name(sent) == name


@given(st.text(max_size=400))
def test_no_name_is_a_path_or_too_long(sent: str) -> None:
    name = sanitize_file_name(sent)
    assert 0 < len(name.encode()) <= MAX_FILE_NAME_BYTES and name == name.strip()
    assert (
        not set(name) & set('/\\\0\r\n"') and name not in (".", "..") and not name.startswith(".")
    )
    assert sanitize_file_name(name) == name
