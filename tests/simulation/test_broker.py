"""Both brokers start on a free port, stop, are killed and come back on the same port; messages pass."""

import queue
import shutil
import socket

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.errors import Unavailable
from gateway.simulation.broker import Broker, Make, available_make, iotcore, mosquitto

MAKES = [pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto")), "iotcore"]


def make(name: str) -> Make:
    return iotcore() if name == "iotcore" else mosquitto(shutil.which("mosquitto") or "mosquitto")


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("name", MAKES)
def test_a_broker_comes_back_on_the_same_port_after_stop_and_kill(name: str) -> None:
    with Broker(make(name)) as broker:
        port = broker.port
        assert answers(port)
        broker.stop()
        assert not broker.running
        assert not answers(port)
        broker.start()
        assert answers(port)
        broker.kill()
        assert not answers(port)
        broker.restart()
        assert answers(port)
        assert broker.url == f"mqtt://127.0.0.1:{port}"
    assert not answers(port)


@pytest.mark.parametrize("name", MAKES)
def test_a_large_message_arrives_with_its_properties(name: str) -> None:
    with Broker(make(name)) as broker:
        arrived: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
        ready: queue.Queue[bool] = queue.Queue()
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        client.on_connect = lambda *_: client.subscribe("punchgate/#", 1)
        client.on_subscribe = lambda *_: ready.put(True)
        client.on_message = lambda _client, _data, message: arrived.put(message)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        ready.get(timeout=5)
        properties = Properties(PacketTypes.PUBLISH)
        properties.ContentType = "application/x-ndjson"
        properties.UserProperty = ("content-encoding", "deflate")
        client.publish("punchgate/v1/hq/edge-01/records", b"z" * 1_048_576, 1, properties=properties)
        message = arrived.get(timeout=5)
        client.disconnect()
        client.loop_stop()
        assert len(message.payload) == 1_048_576
        assert message.properties.ContentType == "application/x-ndjson"
        assert message.properties.UserProperty == [("content-encoding", "deflate")]


def test_without_mosquitto_on_path_the_embedded_broker_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = available_make()
    assert found.name == "iotcore"
    assert not found.shared_subscriptions


@pytest.mark.needs("mosquitto")
def test_mosquitto_is_taken_where_it_is_on_path() -> None:
    assert available_make().name == "mosquitto"


def test_a_broker_that_dies_at_once_is_reported_with_its_last_words() -> None:
    broken = Make("broken", False, lambda port: "", lambda settings: ["sh", "-c", "echo no such key >&2; exit 3"])
    with pytest.raises(Unavailable, match=r"exit 3(.|\n)*no such key"), Broker(broken):
        pass
