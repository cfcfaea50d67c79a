"""What a resident ID card tells its reader: 256 bytes of text, and a photo that nobody here looks at.

    0 name 30 | 30 sex 2 | 32 ethnicity 4 | 36 birth 16 | 52 address 70 | 122 number 36 | 158 authority 30
    188 valid from 16 | 204 valid to 16, or 长期 | 220 reserve 36                 UTF-16LE, padded with spaces

The same readers read other documents, whose text lies otherwise. All we use of them is a letter at byte 248, blank
on a resident's card: `I` foreigner's permanent residence card (15 characters, no number of ours), `Y` the same
since 2023 and `J` residence permit of Hong Kong, Macao and Taiwan residents, both with a number of GB 11643 in the
same place. But where a resident's address is, `Y` has a name. So a number is
believed only if its check character is right, and of another document only where somebody wants it; printed text is
told only of a card without a letter, and no field holds what another has there.

Sources: GA/T 490 as told by wiki.nfc.im and three public readers; data of the foreigner's card: afzhan.com (2017),
eastcoms.com (2023, first digit 9, MOD 11-2); the letters: five public readers (`I`, `J`), one (`Y`).
"""

from __future__ import annotations

from drivers import cn_id
from drivers.contract import Swap

TEXT_BYTES = 256
FIELDS = {
    "name": (0, 30),
    "sex": (30, 32),
    "ethnicity": (32, 36),
    "birth": (36, 52),
    "address": (52, 122),
    "id_number": (122, 158),
    "authority": (158, 188),
    "valid_from": (188, 204),
    "valid_to": (204, 220),
    "reserve": (220, 256),
}
"""Field of the text: first byte, byte behind the last."""
LETTER = slice(248, 250)
RESIDENT = "resident_id"
DOCUMENTS = {
    "": RESIDENT,
    "I": "foreigner_permanent_residence",
    "Y": "foreigner_permanent_residence",
    "J": "hk_macao_taiwan_residence_permit",
}
OTHERS = tuple(dict.fromkeys(name for name in DOCUMENTS.values() if name != RESIDENT))
PAD = " \0"

FILLER = {
    "name": "示例甲",
    "ethnicity": "01",
    "address": "示例市示例区示例路1号",
    "authority": "示例市公安局",
    "valid_from": "20200101",
    "valid_to": "20400101",
}
"""What stands in a redacted recording."""


def document(text: bytes) -> str | None:
    """Which document the letter names; None: a letter nobody told us of."""
    return DOCUMENTS.get(_read(text[LETTER]))


def number(text: bytes) -> str | None:
    """The holder's number, X in upper case; None: what stands in its place is none."""
    found = _field(text, "id_number").upper()
    return found if cn_id.examine(found).valid else None


def printed(text: bytes) -> dict[str, object]:
    """What is printed on a resident's card whose number is good."""
    fields: dict[str, object] = {name: _field(text, name) for name in FIELDS}
    return fields | {"id_number": number(text), "id_check_ok": number(text) is not None}


def redacted(text: bytes, swap: Swap) -> bytes:
    """The text of another card: number swapped and valid, birth and sex as it says, the rest invented. Same letter.

    A text without a valid number becomes blank, and so stays unreadable.
    """
    old, made = number(text), bytearray(" ".encode("utf-16-le") * (TEXT_BYTES // 2))
    if old is not None:
        new = cn_id.another(swap(old[: cn_id.DIGITS]))
        sex = "1" if int(new[16]) % 2 else "2"
        for name, value in (FILLER | {"id_number": new, "birth": new[6:14], "sex": sex}).items():
            start, _ = FIELDS[name]
            made[start : start + 2 * len(value)] = value.encode("utf-16-le")
    made[LETTER] = text[LETTER]
    return bytes(made)


def _field(text: bytes, name: str) -> str:
    start, stop = FIELDS[name]
    return _read(text[start:stop])


def _read(data: bytes) -> str:
    return data.decode("utf-16-le", "replace").rstrip(PAD)
