"""One connection: greeted, refused, silent, over TLS, cut in the middle."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from uplink_bench import link_to, until
from uplink_broker import Broker, Orders

from gateway.errors import Transient
from gateway.uplink import Link
from gateway.uplink.connection import Connection, Greeting
from gateway.uplink.remedies import REASONS, said_by_broker, said_by_network

WILL = ("punchgate/v1/hq/edge-01/state", b'{"status":"offline"}')


class Ear:
    """What a connection passes on."""

    def __init__(self) -> None:
        self.acknowledgements: list[tuple[int, int]] = []
        self.messages: list[tuple[str, bytes]] = []

    def acknowledged(self, mid: int, code: int) -> None:
        self.acknowledgements.append((mid, code))

    def message(self, topic: str, payload: bytes, *, retained: bool) -> None:
        self.messages.append((topic, payload))


async def opened(link: Link, ear: Ear) -> tuple[Connection, Greeting]:
    connection = Connection(link, WILL, ear)
    try:
        return connection, await connection.open(clock_is_wrong=False)
    except BaseException:
        connection.close()
        raise


def tell(story: Callable[[Broker, Ear], Awaitable[None]], broker: Broker) -> Ear:
    ear = Ear()

    async def main() -> None:
        async with broker:
            await story(broker, ear)

    asyncio.run(main())
    return ear


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        (Orders(), Greeting(65_535, None)),
        (Orders(receive_maximum=7, packet_bytes=9000), Greeting(7, 9000)),
    ],
)
def test_the_greeting_says_what_the_broker_allows(orders: Orders, expected: Greeting) -> None:
    async def story(broker: Broker, ear: Ear) -> None:
        connection, greeting = await opened(link_to(broker), ear)
        connection.close()
        assert greeting == expected

    tell(story, Broker(orders))


def test_messages_both_ways(tmp_path: Path) -> None:
    async def story(broker: Broker, ear: Ear) -> None:
        connection, _ = await opened(link_to(broker), ear)
        connection.subscribe("x")
        mids = [connection.publish("punchgate/v1/hq/edge-01/records", b"%d" % number) for number in range(50)]
        await until(lambda: len(ear.acknowledgements) >= 50)
        assert [mid for mid, _ in ear.acknowledgements] == mids
        broker.say("x", b"hello")
        await until(lambda: ear.messages)
        connection.close()

    assert tell(story, Broker()).messages == [("x", b"hello")]


def test_a_large_message_goes_out_in_pieces() -> None:
    async def story(broker: Broker, ear: Ear) -> None:
        connection, _ = await opened(link_to(broker), ear)
        connection.publish("punchgate/v1/hq/edge-01/records", b"x" * 3_000_000)
        connection.publish("punchgate/v1/hq/edge-01/records", b"y")
        await until(lambda: len(ear.acknowledgements) >= 2)
        assert [len(one.payload) for one in broker.messages] == [3_000_000, 1]
        connection.close()

    tell(story, Broker())


def test_nothing_is_published_over_a_lost_connection() -> None:
    async def story(broker: Broker, ear: Ear) -> None:
        connection, _ = await opened(link_to(broker), ear)
        broker.cut()
        assert await asyncio.wait_for(connection.lost, 5.0)
        with pytest.raises(Transient):
            connection.publish("x", b"")
        connection.close()

    tell(story, Broker())


def test_giving_up_takes_nothing_more() -> None:
    async def story(broker: Broker, ear: Ear) -> None:
        connection, _ = await opened(link_to(broker), ear)
        connection.give_up("because")
        assert connection.lost.result() == "because"
        with pytest.raises(Transient, match="because"):
            connection.publish("x", b"")
        connection.close()

    assert tell(story, Broker()).acknowledgements == []


def test_a_broker_lost_while_there_is_much_to_write_ends_the_connection_only() -> None:
    async def story(broker: Broker, ear: Ear) -> None:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        for _ in range(10):
            connection, _ = await opened(link_to(broker), ear)
            for _ in range(20):
                connection.publish("x", b"x" * 200_000)
            await asyncio.sleep(0.005)
            broker.cut()
            await asyncio.wait_for(connection.lost, 5.0)
            connection.close()
        assert failures == []

    tell(story, Broker())


def test_a_broker_that_does_not_greet_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.uplink.connection.CONNECT_TIMEOUT_S", 0.2)

    async def story(broker: Broker, ear: Ear) -> None:
        with pytest.raises(Transient, match="no answer"):
            await opened(link_to(broker), ear)

    tell(story, Broker(Orders(greets=False)))


def test_nobody_there_is_said() -> None:
    async def story(broker: Broker, ear: Ear) -> None:
        link = link_to(broker)
        await broker.stop()
        with pytest.raises(Transient, match="connection refused"):
            await opened(link, ear)

    tell(story, Broker())


def test_something_else_behind_the_port_is_said() -> None:
    async def main() -> None:
        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n" * 50)
            await reader.read(10)
            writer.close()

        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        link = Link("127.0.0.1", server.sockets[0].getsockname()[1], False, "hq.edge-01")
        with pytest.raises(Transient):
            await opened(link, Ear())
        server.close()

    asyncio.run(main())


@pytest.mark.parametrize("odd", [{"ca_file": Path("/nowhere/ca.pem")}, {"cert_file": Path("/nowhere/cert.pem")}])
def test_a_file_that_is_not_there_is_named(odd: dict[str, Path]) -> None:
    async def main() -> None:
        with pytest.raises(Transient, match="/nowhere"):
            await opened(Link("127.0.0.1", 1, True, "x", **odd), Ear())

    asyncio.run(main())


def test_every_reason_of_a_broker_has_a_remedy() -> None:
    for code in range(0x80, 0x100):
        text, remedy = said_by_broker(code)
        assert str(code) in text
        assert remedy
    assert all(remedy for _, remedy in REASONS.values())


@pytest.mark.parametrize("wrong", [True, False])
def test_a_wrong_clock_is_named_as_the_cause_of_a_refused_certificate(wrong: bool) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = 9, "certificate is not yet valid"
    text, remedy = said_by_network(error, clock_is_wrong=wrong)
    assert text.startswith("clock:") == wrong
    assert "clock" in remedy


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    x509 = pytest.importorskip("cryptography.x509")
    import ipaddress

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


def tls_broker(certificates: tuple[Path, Path]) -> Broker:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificates)
    return Broker(tls=context)


def tls_link(broker: Broker, ca_file: Path | None) -> Link:
    return Link("127.0.0.1", broker.port, True, "hq.edge-01", ca_file=ca_file)


def test_many_small_messages_in_one_tls_record_are_all_taken(certificates: tuple[Path, Path]) -> None:
    """What TLS has decrypted already is announced by no selector."""

    async def story(broker: Broker, ear: Ear) -> None:
        connection, _ = await opened(tls_link(broker, certificates[0]), ear)
        for writer in broker._writers:
            writer.transport.pause_reading()
        for number in range(300):
            broker.say("x", b"%d" % number)
        await until(lambda: len(ear.messages) >= 300, 5.0)
        connection.close()

    assert [payload for _, payload in tell(story, tls_broker(certificates)).messages] == [
        b"%d" % number for number in range(300)
    ]


def test_large_messages_go_over_tls(certificates: tuple[Path, Path]) -> None:
    async def story(broker: Broker, ear: Ear) -> None:
        connection, _ = await opened(tls_link(broker, certificates[0]), ear)
        for _ in range(10):
            connection.publish("punchgate/v1/hq/edge-01/records", b"x" * 500_000)
        await until(lambda: len(ear.acknowledgements) >= 10)
        connection.close()

    tell(story, tls_broker(certificates))


def test_a_broker_nobody_vouches_for_is_refused(certificates: tuple[Path, Path]) -> None:
    async def story(broker: Broker, ear: Ear) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        with pytest.raises(Transient, match="certificate refused"):
            await opened(tls_link(broker, None), ear)

    tell(story, tls_broker(certificates))


def test_plain_text_to_a_tls_port_and_tls_to_a_plain_port_are_said(
    certificates: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.uplink.connection.CONNECT_TIMEOUT_S", 0.5)

    async def plain_to_tls(broker: Broker, ear: Ear) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        with pytest.raises(Transient):
            await opened(link_to(broker), ear)

    async def tls_to_plain(broker: Broker, ear: Ear) -> None:
        with pytest.raises(Transient):
            await opened(tls_link(broker, certificates[0]), ear)

    tell(plain_to_tls, tls_broker(certificates))
    tell(tls_to_plain, Broker())
