"""The framing of bodies on the event loop: decoded in any pieces, and refused unless it is exact."""

from __future__ import annotations

import pytest

from bridge.web.server.event_loop.request_body import (
    MAX_FRAMING_BYTES,
    BodyDecoder,
    ChunkDecoder,
    FramingError,
    LengthDecoder,
)


def decode(decoder: BodyDecoder, data: bytes, step: int) -> tuple[bytes, bytes]:
    """Decode data in pieces; return the body, and what follows it."""
    body = b""
    for at in range(0, len(data), step):
        piece, rest = decoder.decode(data[at : at + step])
        body += piece
        if decoder.is_whole:
            return body, rest + data[at + step :]
        assert rest == b""
    return body, b""


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"2\r\n{}\r\n0\r\n\r\n", b"{}"),
        (b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", b"{}"),
        (b"A\r\n0123456789\r\n000a\r\n0123456789\r\n00\r\n\r\n", b"0123456789" * 2),
        (b"3\r\n\r\n\n\r\n0\r\n\r\n", b"\r\n\n"),
        (b'2;a;b=c ; d = "e;\\"f"\r\n{}\r\n0;x\r\n\r\n', b"{}"),
        (b"2\r\n{}\r\n0\r\nX-Check: 1\r\nEmpty:\r\n\r\n", b"{}"),
    ],
)
def test_a_body_in_chunks_is_decoded_in_any_pieces(step: int, sent: bytes, body: bytes) -> None:
    decoder = ChunkDecoder()
    assert decode(decoder, sent + b"GET /", step) == (body, b"GET /")
    assert decoder.is_whole


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize(
    "sent",
    [
        b"xyz\r\n",
        b"\r\n",
        b" 2\r\n{}\r\n",
        b"2 \r\n{}\r\n",
        b"-2\r\n",
        b"0x2\r\n",
        b"2_0\r\n",
        b"\xb2\r\n",
        b"2\n{}\n",
        b"2\r\r\n{}",
        b"f" * 17 + b"\r\n",
        b"2\r\n{}0\r\n",
        b"2\r\n{}\n0\r\n",
        b"2\r\n{}\r0\r\n",
        b"2;\r\n{}",
        b"2;a\x00\r\n{}",
        b"2;a=\r\n{}",
        b'2;a="\r\n{}',
        b"2;" + b"a" * 5000,
        b"0\r\nbad trailer\r\n\r\n",
        b"0\r\n: x\r\n\r\n",
        b"0\r\nA : x\r\n\r\n",
        b"0\r\n folded: x\r\n\r\n",
        b"0\r\nA: \x00\r\n\r\n",
        b"0\r\nA: x\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\ntransfer-encoding: chunked\r\n\r\n",
        b"0\r\nAuthorization: x\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * 101,
        b"0\r\n" + (b"A: " + b"b" * 4000 + b"\r\n") * 5,
    ],
)
def test_chunks_that_are_not_exact_are_refused(step: int, sent: bytes) -> None:
    with pytest.raises(FramingError):
        decode(ChunkDecoder(), sent, step)


@pytest.mark.parametrize("step", [5, 65536])
@pytest.mark.parametrize("chunk", [b"1\r\nx\r\n", b"10;%s\r\n%s\r\n" % (b"a" * 15, b"x" * 16)])
def test_framing_is_no_longer_than_its_body(chunk: bytes, step: int) -> None:
    with pytest.raises(FramingError, match="longer than the body"):
        decode(ChunkDecoder(), chunk * MAX_FRAMING_BYTES, step)
    few = MAX_FRAMING_BYTES // len(chunk)
    body, rest = decode(ChunkDecoder(), chunk * few + b"0\r\n\r\n", step)
    assert (len(body), rest) == (few * chunk.count(b"x"), b"")


def test_framing_may_be_16_kib_longer_than_its_body() -> None:
    chunk = b"1\r\nx\r\n"  # its framing is 4 bytes longer
    body, _ = ChunkDecoder().decode(chunk * 4096)
    assert len(body) == 4096
    with pytest.raises(FramingError, match="longer than the body"):
        ChunkDecoder().decode(chunk * 4097)


@pytest.mark.parametrize("length", range(5, 40))
def test_a_trailer_of_any_length_is_no_part_of_the_body(length: int) -> None:
    trailer = b"X: ".ljust(length, b"x")
    sent = b"1\r\n{\r\n1\r\n}\r\n0\r\n%s\r\n\r\nGET /" % trailer
    assert ChunkDecoder().decode(sent) == (b"{}", b"GET /")


@pytest.mark.parametrize("step", [5, 65536])
def test_a_body_may_have_any_number_of_small_chunks(step: int) -> None:
    body, rest = decode(ChunkDecoder(), b"6\r\n012345\r\n" * 50_000 + b"0\r\n\r\n", step)
    assert (body, rest) == (b"012345" * 50_000, b"")


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_a_body_of_a_length_ends_with_its_last_byte(step: int) -> None:
    decoder = LengthDecoder(5)
    assert decode(decoder, b"01234GET /", step) == (b"01234", b"GET /")
    assert decoder.is_whole
    empty = LengthDecoder(0)
    assert empty.is_whole
    assert empty.decode(b"GET /") == (b"", b"GET /")
