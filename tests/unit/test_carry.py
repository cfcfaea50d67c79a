"""The hand-carry file: what was written comes out unchanged, and whatever else it holds is a readable error."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.carry import CarryReader, CarryWriter, Head, Seal
from gateway.errors import Rejected
from gateway.wire import MAX_LINE_BYTES, line_hash

HEAD = Head(site="hq", gateway="edge-01", epoch="5c1f0a9be2d74f11", made="2026-11-23T00:31:07.412Z")
LINES = [b'{"n":1}', b'{"n":2}', b"x" * MAX_LINE_BYTES]
LINE = st.binary(min_size=1, max_size=200).filter(lambda line: b"\n" not in line)


def written(lines: list[bytes]) -> tuple[bytes, Seal]:
    out = io.BytesIO()
    writer = CarryWriter(out, HEAD)
    for seq, line in enumerate(lines, 7):
        writer.add(seq, line)
    seal = writer.seal()
    return out.getvalue(), seal


def read(data: bytes) -> list[bytes]:
    reader = CarryReader(io.BytesIO(data))
    assert reader.head == HEAD
    return list(reader)


def refusal(data: bytes) -> str:
    with pytest.raises(Rejected) as caught:
        list(CarryReader(io.BytesIO(data)))
    return str(caught.value)


@given(st.lists(LINE, max_size=5))
def test_lines_come_out_as_they_went_in(lines: list[bytes]) -> None:
    assert read(written(lines)[0]) == lines


def test_the_longest_line_a_centre_takes_fits() -> None:
    assert read(written(LINES)[0]) == LINES


def test_the_seal_says_which_records_and_the_hash_of_the_last() -> None:
    seal = written(LINES)[1]
    assert (seal.count, seal.first, seal.last, seal.head) == (3, 7, 9, line_hash(LINES[-1]))
    empty = written([])[1]
    assert (empty.count, empty.first, empty.last, empty.head) == (0, None, None, None)


def test_a_person_can_read_it_with_zcat() -> None:
    rows = gzip.decompress(written(LINES[:2])[0]).splitlines()
    assert rows[1:3] == LINES[:2]
    assert json.loads(rows[0])["site"] == "hq"
    assert json.loads(rows[3])["count"] == 2


@given(st.binary(max_size=400))
def test_any_bytes_are_a_readable_error(data: bytes) -> None:
    assert len(refusal(data)) > 10


@given(st.binary(max_size=400))
def test_any_text_behind_a_good_head_is_a_readable_error(data: bytes) -> None:
    head = gzip.decompress(written([])[0]).splitlines(keepends=True)[0]
    assert len(refusal(gzip.compress(head + data))) > 10


@given(st.data())
def test_a_file_that_is_cut_anywhere_is_refused(data: st.DataObject) -> None:
    whole = written(LINES)[0]
    assert "damaged or cut" in refusal(whole[: data.draw(st.integers(1, len(whole) - 1))])


@given(st.data())
def test_a_changed_byte_never_changes_a_record(data: st.DataObject) -> None:
    whole = bytearray(written(LINES[:2])[0])
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(Rejected):
        lines = list(CarryReader(io.BytesIO(bytes(whole))))
        assert lines == LINES[:2], "a flipped bit of gzip's own header may go unnoticed, one of ours may not"


Edit = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda rows: [rows[0], rows[2], rows[1], rows[3]], "seal does not fit"),
        (lambda rows: [rows[0], rows[1], rows[3]], "seal does not fit"),
        (lambda rows: [rows[0], rows[1], rows[1], *rows[2:]], "seal does not fit"),
        (lambda rows: [*rows, rows[-1]], "seal does not fit"),
        (lambda rows: [rows[0].replace(b'"hq"', b'"hk"'), *rows[1:]], "seal does not fit"),
        (lambda rows: rows[:-1], "does not end with a seal"),
        (lambda rows: [*rows[:-1], rows[-1].rstrip()], "a row has no end"),
        (lambda rows: [rows[0], b"\n", *rows[1:]], "no content"),
        (lambda rows: [rows[0], b"x" * (MAX_LINE_BYTES + 1) + b"\n", *rows[1:]], "a row has no end"),
        (lambda rows: [rows[0].replace(b'"version":1', b'"version":2'), *rows[1:]], "of this version: version"),
        (lambda rows: rows[1:], "no hand-carry file"),
    ],
)
def test_what_was_edited_is_refused_with_a_reason(edit: Edit, words: str) -> None:
    rows = gzip.decompress(written(LINES[:2])[0]).splitlines(keepends=True)
    assert words in refusal(gzip.compress(b"".join(edit(rows))))


def test_two_files_in_one_are_refused() -> None:
    whole = written(LINES[:2])[0]
    assert "seal does not fit" in refusal(whole + whole)
