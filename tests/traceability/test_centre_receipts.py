from __future__ import annotations

import base64
import json

import pytest
from centre_bench import Wall
from centre_lines import EPOCH, LATER_EPOCH, chain, line

from gateway.errors import Misconfigured, Rejected
from gateway.wire import compact, line_hash, read_receipt
from traceability import sign
from traceability.ledger import Group, Ledger
from traceability.receipts import Receipt, account
from traceability.spans import Span, Tail
from traceability.states import State, read_state
from traceability.streams import Key

KEY = Key("hq", "edge-01", EPOCH)
LINES = chain(60)


def take(ledger: Ledger, *seqs: int) -> None:
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [LINES[seq - 1] for seq in seqs])


def receipt(ledger: Ledger) -> Receipt:
    with ledger.group([("hq", "edge-01")]) as group:
        receipt = group.receipt(KEY)
    read_receipt(compact(receipt.message))
    return receipt


def hear(book: Ledger, status: str = "online", epoch: str = EPOCH, **words: object) -> Group:
    with book.group([("hq", "edge-01")]) as group:
        group.hear("hq", "edge-01", State.model_validate({"status": status, "epoch": epoch} | words))
    return group


def test_a_receipt_has_the_members_of_the_contract(ledger: Ledger) -> None:
    take(ledger, 1, 2)
    message = receipt(ledger).message
    assert message == {
        "ledger": message["ledger"],
        "receipt": 1,
        "epoch": EPOCH,
        "through": 2,
        "missing": [],
        "seen": 2,
        "rejected": [],
        "heads": [{"seq": 2, "hash": line_hash(LINES[1])}],
        "service": "centre-1",
        "time": "2027-01-15T08:00:00.000Z",
    }


def test_heads_name_the_last_record_that_is_told_and_where_other_bytes_came(ledger: Ledger, wall: Wall) -> None:
    take(ledger, *range(1, 7), 9)
    heads = receipt(ledger).message["heads"]
    assert heads == [{"seq": 6, "hash": line_hash(LINES[5])}], "9 is not told yet"
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [line(seq, "0" * 64) for seq in (3, 4, 5)])
    told = {head["seq"]: head["hash"] for head in receipt(ledger).message["heads"]}  # type: ignore[attr-defined]
    assert told == {seq: line_hash(LINES[seq - 1]) for seq in (3, 5, 6)}


def test_a_stream_without_records_names_none(ledger: Ledger) -> None:
    hear(ledger, newest=3)
    assert receipt(ledger).message["heads"] == []


def test_receipts_of_a_stream_are_numbered_upwards_and_keep_the_ledger_id(ledger: Ledger) -> None:
    take(ledger, 1)
    messages = [receipt(ledger).message for _ in range(3)]
    assert [message["receipt"] for message in messages] == [1, 2, 3]
    assert len({message["ledger"] for message in messages}) == 1


def test_seen_stays_below_a_young_hole_and_the_hole_is_listed_after_five_seconds(ledger: Ledger, wall: Wall) -> None:
    take(ledger, 1, 2, 5, 6)
    young = receipt(ledger)
    assert (young.message["through"], young.message["seen"], young.message["missing"]) == (2, 2, [])
    assert young.again_s == 5.0
    wall.forward(5.0)
    old = receipt(ledger)
    assert (old.message["through"], old.message["seen"], old.message["missing"]) == (2, 6, [[3, 4]])
    assert old.again_s == 6.0


def test_a_younger_hole_behind_an_old_one_holds_seen_between_them(ledger: Ledger, wall: Wall) -> None:
    take(ledger, 1, 3, 4)
    wall.forward(4)
    take(ledger, 9)
    wall.forward(1)
    between = receipt(ledger)
    assert (between.message["missing"], between.message["seen"]) == ([[2, 2]], 4)
    assert between.again_s == 4.0


def test_filling_a_part_of_a_hole_does_not_make_the_rest_young(ledger: Ledger, wall: Wall) -> None:
    take(ledger, 1, 10)
    wall.forward(5)
    take(ledger, 2, 5, 9)
    assert receipt(ledger).message["missing"] == [[3, 4], [6, 8]]


def test_of_more_than_32_holes_the_lowest_are_listed_and_seen_tells_the_highest(ledger: Ledger, wall: Wall) -> None:
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [line(seq, "0" * 64) for seq in range(2, 202, 2)])
    wall.forward(6)
    message = receipt(ledger).message
    assert message["missing"] == [[seq, seq] for seq in range(1, 65, 2)]
    assert message["seen"] == 200


def test_a_full_list_is_never_beside_a_seen_that_settles_what_is_not_here(ledger: Ledger, wall: Wall) -> None:
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [line(seq, "0" * 64) for seq in range(2, 66, 2)])
    wall.forward(6)
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [line(80, "0" * 64)])
    full = receipt(ledger).message
    assert (len(full["missing"]), full["through"], full["seen"]) == (32, 0, 80)
    take(ledger, 1)
    short = receipt(ledger).message
    assert (len(short["missing"]), short["through"], short["seen"]) == (31, 2, 64)


def test_a_clock_that_goes_back_does_not_hide_a_hole(ledger: Ledger, wall: Wall) -> None:
    take(ledger, 1, 3)
    wall.forward(-3600)
    assert receipt(ledger).message["missing"] == [[2, 2]]


def test_a_missing_tail_is_listed_once_the_gateway_has_named_it_for_five_seconds(ledger: Ledger, wall: Wall) -> None:
    take(ledger, 1, 2)
    hear(ledger, newest=7)
    assert receipt(ledger).message["missing"] == []
    wall.forward(5)
    message = receipt(ledger).message
    assert (message["missing"], message["seen"]) == ([[3, 7]], 2)


def test_a_tail_that_grows_while_it_is_missing_does_not_start_again(ledger: Ledger, wall: Wall) -> None:
    hear(ledger, newest=3)
    wall.forward(4)
    hear(ledger, newest=5)
    wall.forward(1)
    assert receipt(ledger).message["missing"] == [[1, 5]]
    take(ledger, 1, 2, 3, 4, 5)
    hear(ledger, newest=6)
    assert receipt(ledger).message["missing"] == []


def test_the_tail_of_another_epoch_is_not_this_ones(ledger: Ledger, wall: Wall) -> None:
    take(ledger, 1)
    hear(ledger, epoch=LATER_EPOCH, newest=9)
    wall.forward(9)
    assert receipt(ledger).message["missing"] == []


def test_holes_are_not_repeated_to_a_gateway_that_cannot_fill_them(ledger: Ledger, wall: Wall) -> None:
    take(ledger, 1, 3)
    wall.forward(5)
    assert receipt(ledger).again_s == 6.0
    hear(ledger, "offline")
    assert receipt(ledger).again_s is None
    hear(ledger, epoch=LATER_EPOCH)
    assert receipt(ledger).again_s is None


def test_refused_records_that_do_not_fit_hold_everything_below_them_until_they_are_told(ledger: Ledger) -> None:
    wrong = [line(seq, "0" * 64, gateway="edge-02") for seq in range(1, 251)]
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", wrong)
    told: list[int] = []
    for through in (100, 200, 250):
        message = receipt(ledger).message
        assert (message["through"], message["seen"]) == (through, through)
        told += [entry["seq"] for entry in message["rejected"]]  # type: ignore[attr-defined]
    assert set(told) == set(range(1, 251))
    assert receipt(ledger).message["rejected"], "said again, in case the receipt before was lost"


def test_an_account_of_nothing_is_all_zeros() -> None:
    assert account([], None, 0).seen == 0
    assert account([Span(5, 9, 0)], None, 9_000).missing == ((1, 4),)
    assert account([], Tail(3, 0), 9_000).missing == ((1, 3),)


# --- states and restored backups


def test_a_ledger_restored_from_a_backup_gets_a_new_id_once(ledger: Ledger) -> None:
    take(ledger, *range(1, 5))
    before = receipt(ledger).message["ledger"]
    group = hear(ledger, settled=40, newest=40)
    assert [alarm.event for alarm in group.alarms] == ["ledger.restored"]
    after = receipt(ledger).message
    assert after["ledger"] != before
    assert after["through"] == 4
    assert not hear(ledger, settled=41, newest=41).alarms
    assert receipt(ledger).message["ledger"] == after["ledger"]


def test_after_it_has_come_down_to_us_a_gateway_can_prove_another_restore(ledger: Ledger) -> None:
    take(ledger, *range(1, 5))
    receipt(ledger)
    first = hear(ledger, settled=40).alarms
    receipt(ledger)
    hear(ledger, settled=4)
    assert first
    assert hear(ledger, settled=50).alarms


def test_a_gateway_that_has_not_heard_the_present_id_proves_nothing(ledger: Ledger) -> None:
    assert not hear(ledger, settled=40).alarms, "an empty database is a new ledger already"
    take(ledger, 1)
    receipt(ledger)
    assert not hear(ledger, settled=40, ledger="another").alarms


def test_one_restore_of_many_gateways_makes_one_new_id(ledger: Ledger) -> None:
    others = [Key("hq", f"edge-{n:02}", EPOCH) for n in range(5)]
    for key in others:
        with ledger.group([("hq", "edge-01")]) as group:
            group.take("hq", key.gateway, chain(1, gateway=key.gateway))
            group.receipt(key)
    alarms = 0
    for _ in range(2):
        for key in others:
            with ledger.group([("hq", "edge-01")]) as group:
                group.hear("hq", key.gateway, State(status="online", epoch=EPOCH, settled=9))
                group.receipt(key)
            alarms += len(group.alarms)
    assert alarms == 1


def test_a_gateway_that_settles_by_puback_proves_nothing_about_the_ledger(ledger: Ledger) -> None:
    take(ledger, 1)
    receipt(ledger)
    assert not hear(ledger, settled=40, settle="puback").alarms


def test_a_head_that_is_not_the_hash_we_hold_is_a_broken_chain(ledger: Ledger) -> None:
    take(ledger, 1, 2)
    assert not hear(ledger, newest=2, head=line_hash(LINES[1])).alarms
    group = hear(ledger, newest=2, head="e" * 64)
    assert [alarm.event for alarm in group.alarms] == ["chain.broken"]


def test_a_will_without_an_epoch_takes_the_gateway_offline_and_forgets_nothing(ledger: Ledger, wall: Wall) -> None:
    hear(ledger, newest=3)
    with ledger.group([("hq", "edge-01")]) as group:
        assert group.hear("hq", "edge-01", read_state(b'{"status":"offline"}')) is None
    wall.forward(5)
    told = receipt(ledger)
    assert told.message["missing"] == [[1, 3]]
    assert told.again_s is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b'{"status":"busy"}',
        b'{"status":"online","epoch":"x"}',
        b'{"status":"online","newest":-1}',
        b'{"status":"online","newest":"7"}',
        b'{"status":"online","newest":9007199254740992}',
        b'{"status":"online","epoch":"5c1f0a9be2d74f11\\n"}',
        b"{" * 70_000,
    ],
    ids=range(9),
)
def test_a_state_that_makes_no_sense_is_rejected(payload: bytes) -> None:
    with pytest.raises(Rejected, match="state"):
        read_state(payload)


# --- signatures


def pem() -> tuple[bytes, object]:
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), key.public_key()


def test_a_signed_message_carries_ed25519_over_its_other_members_in_rfc_8785_form(ledger: Ledger) -> None:
    import rfc8785

    private, public = pem()
    take(ledger, 1)
    message = json.loads(compact(sign.signer(private)(receipt(ledger).message)))
    signature = base64.b64decode(message.pop("sig"), validate=True)
    assert len(signature) == 64
    public.verify(signature, rfc8785.dumps(message))  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_key_file_that_is_none_is_refused_with_how_to_make_one(text: bytes) -> None:
    pytest.importorskip("cryptography")
    with pytest.raises(Misconfigured, match="openssl genpkey"):
        sign.signer(text)
