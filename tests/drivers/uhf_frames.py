"""Frames of the three UHF families, built bit by bit for the tests."""

from __future__ import annotations


def tag_crc(data: bytes) -> bytes:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return (crc ^ 0xFFFF).to_bytes(2)


def frame_crc(data: bytes) -> bytes:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


def pc_of(epc: str) -> bytes:
    return (len(epc) // 4 << 11).to_bytes(2)


def bb(kind: int, command: int, data: bytes = b"") -> bytes:
    body = bytes([kind, command]) + len(data).to_bytes(2) + data
    return b"\xbb" + body + bytes([sum(body) & 0xFF, 0x7E])


def bb_tag(epc: str, rssi: int = -50, pc: bytes | None = None, crc: bytes | None = None) -> bytes:
    data = (pc_of(epc) if pc is None else pc) + bytes.fromhex(epc)
    return bb(2, 0x22, bytes([rssi & 0xFF]) + data + (tag_crc(data) if crc is None else crc))


def a0(command: int, data: bytes = b"", address: int = 1) -> bytes:
    frame = bytes([0xA0, len(data) + 3, address, command]) + data
    return frame + bytes([-sum(frame) & 0xFF])


def a0_tag(epc: str, antenna: int = 0, rssi: int = 70, pc: bytes | None = None, address: int = 1) -> bytes:
    data = bytes([1 << 2 | antenna]) + (pc_of(epc) if pc is None else pc) + bytes.fromhex(epc) + bytes([rssi])
    return a0(0x89, data, address)


def a0_end(antenna: int = 0, address: int = 1) -> bytes:
    return a0(0x89, bytes([antenna, 0, 29, 0, 0, 0, 1]), address)


def length(command: int, data: bytes = b"", address: int = 0) -> bytes:
    frame = bytes([len(data) + 4, address, command]) + data
    return frame + frame_crc(frame)


def length_tags(*epcs: str, status: int = 1, antennas: int | None = None, address: int = 0) -> bytes:
    """An inventory answer: the 18's list, or with `antennas` (mask) the UR's with RSSI 61, 62, ..."""
    data = bytes([status]) if antennas is None else bytes([status, antennas])
    data += bytes([len(epcs)])
    for n, epc in enumerate(epcs):
        data += bytes([len(epc) // 2]) + bytes.fromhex(epc) + (b"" if antennas is None else bytes([61 + n]))
    return length(0x01, data, address)


def length_push(epc: str, antennas: int = 1, rssi: int = 70, address: int = 0) -> bytes:
    return length(0xEE, bytes([0, antennas, len(epc) // 2]) + bytes.fromhex(epc) + bytes([rssi]), address)
