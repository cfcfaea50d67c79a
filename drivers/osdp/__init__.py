"""OSDP 2.x readers on RS-485 (IEC 60839-11-5), two-wire, several on a bus, 8N1, 9600 to 230400.

    [FF] | 53 | address | length LSB MSB | control | [security block] | code | data | [MAC] | CRC-16 or checksum

The frame is drawn byte by byte in `wire`. Two halves make the driver. `listening` understands whatever is said on
the bus, without keys: that is what `decode` and recordings need. `talking` lets libosdp's control panel (`panel`) ask
the readers, keeps the state of each (`reader`) and tells their cards in the form of `cards`, plain or secured alike.
Keys come from files (`keys`). Nothing is ever opened: no OUT command is sent, and lights shine only for a while.
Sources: the examples of SIA Annex E, goToMain/libosdp, ryanhz/osdp-python, bytedreamer/OSDP.Net.
"""

from __future__ import annotations

from collections.abc import Sequence

from drivers.contract import DriverSpec
from drivers.osdp.blanking import redact
from drivers.osdp.options import Options
from drivers.osdp.talking import build

POLL_S, ANSWER_S, EXCHANGE_S = 0.05, 0.2, 0.06
"""libosdp asks each reader so often and waits so long for an answer; what an exchange at 9600 baud takes."""


def _latency_s(options: Options, line: Sequence[Options]) -> float:
    """Every other reader of the line may come first."""
    return POLL_S + ANSWER_S + EXCHANGE_S * (len(line) - 1)


DRIVER = DriverSpec(
    name="osdp",
    title="OSDP 2.x card readers, in a secure channel or plain",
    options=Options,
    build=build,
    emits=frozenset({"credential"}),
    baud=9600,
    bus=True,
    asks=True,
    latency=_latency_s,
    bauds=(9600, 115200, 38400, 19200, 57600, 230400),
    proof_bits=32,
    variants=({"secure": "off"},),
    address_option="address",
    addresses=(0, 1, 2, 3),
    redact=redact,
    wiring="RS-485 A/B and ground, two-wire, 8N1, several readers, each with its address; terminate both ends",
    frame="[FF,] 53, address, length, control, [security block,] code, data, [MAC,] CRC-16 or checksum",
    example="""\
[[ports]]
url = "/dev/serial/by-id/usb-FTDI_OSDP0017-if00-port0"
baud = 9600

  [[ports.devices]]
  id = "lobby-in"
  driver = "osdp"
  lane = "lobby-1"
  side = "in"
  options = { address = 1, key_file = "/etc/punchgate/keys/lobby-in.key" }

  [[ports.devices]]
  id = "lobby-out"
  driver = "osdp"
  lane = "lobby-1"
  side = "out"
  options = { address = 2, key_file = "/etc/punchgate/keys/lobby-out.key", feedback = { refused = "red 2.0 2" } }
""",
)
