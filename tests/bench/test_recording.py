"""The capture file: easy to read, and honest about damage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.bench.recording import NoRecording, Piece, Recording, lines, read_capture, read_recording

RECORDING = Recording(
    (Piece(0.0, "rx", b"\x02\x03"), Piece(1.25, "tx", b"?"), Piece(1.5, "rx", b"!")),
    driver="em4100", baud=9600, options={"gap_s": 0.2}, redacted=True, started="2026-11-23T00:31:07.412Z",
)  # fmt: skip


def written(folder: Path, *texts: str) -> Path:
    path = folder / "desk.capture"
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    assert read_capture(written(tmp_path, *lines(RECORDING))) == RECORDING
    assert RECORDING.received == [(0.0, b"\x02\x03"), (1.5, b"!")]
    assert RECORDING.is_talk


def test_the_first_line_says_what_it_is() -> None:
    header, first, *_ = lines(RECORDING)
    assert json.loads(header) == {
        "punchgate": "capture", "version": 1, "driver": "em4100", "baud": 9600, "options": {"gap_s": 0.2},
        "redacted": True, "started": "2026-11-23T00:31:07.412Z", "chunks": 3,
    }  # fmt: skip
    assert json.loads(first) == {"t": 0.0, "dir": "rx", "hex": "0203"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("no json", "line 3: is not"),
        ('{"t": 0, "dir": "up", "hex": ""}', "line 3: is not"),
        ('{"t": -1, "dir": "rx", "hex": ""}', "line 3: is not"),
        ('{"t": 0, "dir": "rx", "hex": "0"}', "line 3: its hex"),
        ('["t"]', "line 3: is not"),
    ],
)
def test_a_wrong_line_is_named_by_its_number(tmp_path: Path, line: str, problem: str) -> None:
    header, first, _, last = lines(RECORDING)
    with pytest.raises(NoRecording, match=problem):
        read_capture(written(tmp_path, header, first, line, last))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"PK\x03\x04", b'{"other": 1}\n', b"02 36\n"])
def test_another_file_is_no_capture(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(NoRecording, match=r"line 1.*capture"):
        read_capture(tmp_path / "other")


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoRecording, match="version 2"):
        read_capture(written(tmp_path, '{"punchgate": "capture", "version": 2}'))


def test_a_file_that_was_cut_is_noticed_wherever_it_was(tmp_path: Path) -> None:
    whole = "\n".join(lines(RECORDING)).encode() + b"\n"
    for size in range(1, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:size])
        with pytest.raises(NoRecording):
            read_capture(tmp_path / "cut")


def test_fixtures_and_plain_bytes_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "em4100").mkdir()
    fixture = tmp_path / "em4100" / "rdm_card.hex"
    fixture.write_text("# a comment\n02 36 # first\n\n37\n", encoding="utf-8")
    assert [data for _, data in read_recording(fixture).received] == [b"\x026", b"7"]
    assert read_recording(fixture).driver == "em4100"
    (tmp_path / "raw").write_bytes(b"\x02\xff")
    assert read_recording(tmp_path / "raw").received == [(0.0, b"\x02\xff")]
    fixture.write_text("02 3\n", encoding="utf-8")
    with pytest.raises(NoRecording, match="line 1"):
        read_recording(fixture)
