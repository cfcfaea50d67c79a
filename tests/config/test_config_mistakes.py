"""One test for each kind of mistake an operator makes: where it is, what is wrong, what was meant."""

from __future__ import annotations

import pytest
from config_desk import Desk

LANE_2 = '\n[[lanes]]\nid = "lobby-2"\nportal = "lobby"\nfrom_zone = "outside"\nto_zone = "lobby"\n'


def test_the_good_file_is_good(desk: Desk) -> None:
    assert desk.findings() == []


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ('site = "hq"', 'sitee = "hq"', "gateway.sitee", 'did you mean "site"?'),
        ("[uplink]", "[log]\nlevl = 1\n[uplink]", "log.levl", 'did you mean "level"?'),
        ('side = "in"', 'sied = "in"', "ports[0].devices[0].sied", 'did you mean "side"?'),
        ('side = "in"', 'side = "inn"', "ports[0].devices[0].side", "allowed: both, in, out"),
        ('site = "hq"', 'site = "H Q"', "gateway.site", 'did you mean "h-q"?'),
        ('id = "edge-01"', f'id = "{"e" * 33}"', "gateway.id", "1 to 32"),
        ('id = "edge-01"', 'id = "edge-01"\ntimezone = "Asia/Shanghia"', "gateway.timezone", '"Asia/Shanghai"'),
        ('id = "edge-01"', 'id = "edge-01"\nstate_dir = ""', "gateway.state_dir", "must be a path"),
        ("[privacy]", "window = 0\n[privacy]", "uplink.window", "greater than or equal to 1"),
        ("[privacy]", "window = true\n[privacy]", "uplink.window", "must be a whole number"),
        ("[privacy]", 'protocol = "4"\n[privacy]', "uplink.protocol", "allowed: 3.1.1, 5"),
        ("[privacy]", 'insecure = "yes"\n[privacy]', "uplink.insecure", "must be true or false"),
        ("[privacy]", 'prefix = "a/#"\n[privacy]', "uplink.prefix", "not allowed"),
        ('"/dev/ttyS0"', '"/dev/ttyS0"\nbaud = 9', "ports[0].baud", "greater than or equal to 50"),
        ('"/dev/ttyS0"', '"/dev/ttyS0"\nparity = "X"', "ports[0].parity", "allowed: E, M, N, O, S"),
        ('sensor = "per', 'reorder_s = -1\nsensor = "per', "lanes[0].reorder_s", "greater than or equal to 0"),
        ('sensor = "per', 'pass_timeout_s = nan\nsensor = "per', "lanes[0].pass_timeout_s", "finite"),
        ('side = "in"', 'view = "wiegnad26"', "ports[0].devices[0].view", 'did you mean "wiegand26"?'),
        ('side = "in"', 'view = "native+reverse_bits+reverse_bits"', "ports[0].devices[0].view", "not a view"),
        ('side = "in"', "options = 1", "ports[0].devices[0].options", "must be a table"),
        ('mqtts://broker.example"', 'http://broker"', "uplink.url", "mqtts://"),
        ('mqtts://broker.example"', 'mqtts://broker:99999"', "uplink.url", "1 to 65535"),
        ('mqtts://broker.example"', 'mqtts://"', "uplink.url", "must name a host"),
        ('mqtts://broker.example"', 'mqtts://broker/topic"', "uplink.url", "prefix"),
        ('mqtts://broker.example"', 'mqtt://broker.example"', "uplink.url", "insecure = true"),
        ("[privacy]", 'password_file = "p"\n[privacy]', "uplink.password_file", "set username too"),
        ("[privacy]", 'cert_file = "c"\n[privacy]', "uplink.cert_file", "set key_file too"),
        ("[privacy]", 'key_file = "c"\n[privacy]', "uplink.key_file", "set cert_file too"),
        ('"em4100"', '"em410O"', "ports[0].devices[0].driver", 'did you mean "em4100"?'),
        ('side = "in"', "options = { stile = 1 }", "ports[0].devices[0].options.stile", 'did you mean "style"?'),
        ('side = "in"', 'options = { style = "x" }', "ports[0].devices[0].options.style", "auto or rdm6300"),
        ('side = "in"', "options = { style = 5 }", "ports[0].devices[0].options.style", "of type str"),
        ('"reader-2"', '"reader-1"', "ports[2].devices[0].id", "used already by ports[0].devices[0].id"),
        ('"/dev/ttyS2"', '"/dev/ttyS0"', "ports[2].url", "used already by ports[0].url"),
        ('lane = "lobby-2"', 'lane = "loby-2"', "ports[2].devices[0].lane", 'did you mean "lobby-2"?'),
        ('left = "in"', 'lefft = "in"', "ports[1].devices[0].directions.lefft", 'did you mean "left"?'),
        ('left = "in"', 'left = "inn"', "ports[1].devices[0].directions.left", "allowed: in, out"),
        ('left = "in"', 'left = "in", a = "in"', "ports[1].devices[0].directions.a", 'says again what "left" says'),
        ('side = "in"', 'directions = { left = "in" }', "ports[0].devices[0].directions.left", "not a direction"),
        ('side = "in"', 'inputs = { "0" = "fire" }', "ports[0].devices[0].inputs.0", "not an input"),
        ('sensor = "per_direction"', 'sensor = "none"', "ports[1].devices[0].lane", "reports passages"),
        ('directions = { left = "in", right = "out" }', "", "lanes[0].sensor", "no device of lane"),
        (', right = "out"', "", "lanes[0].sensor", 'only "in" is mapped'),
    ],
)
def test_a_mistake_is_told_with_its_key_path_and_a_remedy(
    desk: Desk, old: str, new: str, key: str, said: str
) -> None:
    desk.edit((old, new))
    (finding,) = [each for each in desk.findings() if each.key == key]
    assert finding.file == str(desk.file)
    assert said in str(finding)


@pytest.mark.parametrize("key", ["gateway.site", "gateway.id", "uplink.url", "privacy.key_file"])
def test_a_missing_key_is_asked_for(desk: Desk, key: str) -> None:
    name = key.rsplit(".", 1)[1]
    text = desk.file.read_text().split("[[lanes]]")
    lines = [line for line in text[0].splitlines() if not line.startswith(f"{name} =")]
    desk.write("\n".join([*lines, "[[lanes]]".join(["", *text[1:]])]))
    assert (desk.finding().key, desk.finding().problem) == (key, "is required")


def test_an_empty_file_is_told_everything_it_needs(desk: Desk) -> None:
    desk.write("")
    assert {each.key for each in desk.findings()} == {"gateway", "uplink", "privacy", "lanes", "ports"}


def test_no_lanes_and_no_ports_are_refused(desk: Desk) -> None:
    desk.write("lanes = []\nports = []\n" + desk.file.read_text().split("[[lanes]]")[0])
    assert [(each.key, each.problem) for each in desk.findings()] == [
        ("lanes", "must not be empty"),
        ("ports", "must not be empty"),
    ]


def test_a_lane_written_as_one_table_is_refused(desk: Desk) -> None:
    desk.edit((LANE_2, ""), ("[[lanes]]", "[lanes]"))
    assert "must be a list of tables" in str(desk.findings()[0])


def test_a_device_on_no_lane_is_refused(desk: Desk) -> None:
    desk.edit(('  lane = "lobby-2"\n', ""))
    assert (desk.finding().key, desk.finding().problem) == ("ports[2].devices[0].lane", "is required")


def test_a_lane_that_no_device_serves_is_refused(desk: Desk) -> None:
    desk.edit(('lane = "lobby-2"', 'lane = "lobby-1"'))
    assert (desk.finding().key, desk.finding().problem) == ("lanes[1].id", "is a lane that no device serves")


def test_two_lanes_of_one_name_are_refused(desk: Desk) -> None:
    desk.edit(('id = "lobby-2"', 'id = "lobby-1"'), ('lane = "lobby-2"', 'lane = "lobby-1"'))
    assert desk.finding().key == "lanes[1].id"


def test_two_devices_on_a_line_that_is_no_bus_are_refused(desk: Desk) -> None:
    desk.edit(('\n[[ports]]\nurl = "/dev/ttyS2"\n', ""), ('driver = "eb_turnstile"', 'driver = "eb_turnstile"'))
    assert "does not share a line" in desk.finding().problem


def test_two_devices_of_a_bus_may_share_a_line(desk: Desk) -> None:
    module = (
        '\n  [[ports.devices]]\n  id = "io-{0}"\n  driver = "io_module"\n  lane = "lobby-2"\n'
        "  options = {{ address = {0} }}\n"
    )
    desk.write(f'{desk.file.read_text()}\n[[ports]]\nurl = "/dev/ttyS3"\n{module.format(1)}{module.format(2)}')
    assert desk.findings() == []


def test_two_readers_on_one_plain_line_are_refused(desk: Desk) -> None:
    desk.edit(
        ('\n[[ports]]\nurl = "/dev/ttyS2"\n', ""),
        ('"eb_turnstile"', '"em4100"'),
        ("directions = { left", "# { left"),
        ('sensor = "per_direction"', ""),
    )
    assert desk.finding().problem == "is no bus: one device a line"


def test_passages_through_an_input_serve_a_sensor_lane(desk: Desk) -> None:
    desk.edit(
        ('driver = "eb_turnstile"', 'driver = "io_module"'),
        ("directions = { left", 'inputs = { "0" = "pass_in", "1" = "pass_out" } # { left'),
    )
    assert desk.findings() == []


def test_a_passage_input_on_a_lane_without_a_sensor_is_refused(desk: Desk) -> None:
    desk.edit(
        ('driver = "eb_turnstile"', 'driver = "io_module"'),
        ("directions = { left", 'inputs = { "0" = "pass_in", "1" = "fire" } # { left'),
        ('sensor = "per_direction"', ""),
    )
    assert desk.finding().key == "ports[1].devices[0].inputs.0"


def test_all_mistakes_are_told_at_once_one_a_line(desk: Desk) -> None:
    desk.edit(('"hq"', '"H Q"'), ('"em4100"', '"em410"'), ('lane = "lobby-2"', 'lan = "lobby-2"'), ("mqtts", "mqtt"))
    findings = desk.findings()
    assert {each.key for each in findings} == {
        "gateway.site",
        "ports[0].devices[0].driver",
        "ports[2].devices[0].lan",
        "ports[2].devices[0].lane",
        "uplink.url",
    }
    assert all("\n" not in str(each) for each in findings)


def test_a_misspelt_device_does_not_make_its_lane_look_deserted(desk: Desk) -> None:
    desk.edit(('lane = "lobby-2"', 'lan = "lobby-2"'))
    assert not [each for each in desk.findings() if each.key.startswith("lanes")]


@pytest.mark.parametrize(
    "line",
    ['password = "hunter2"', 'url = "mqtts://me:hunter2@broker"', f'key_file = ["hunter2", "{"ab" * 32}"]'],
)
def test_a_secret_in_the_wrong_place_is_not_shown(desk: Desk, line: str) -> None:
    desk.edit(('url = "mqtts://broker.example"', line))
    told = "\n".join(map(str, desk.findings()))
    assert told
    assert "hunter2" not in told
    assert "ab" * 32 not in told


def test_a_secret_among_the_driver_options_is_not_shown(desk: Desk) -> None:
    desk.edit(('side = "in"', 'options = { key = "hunter2" }'))
    assert desk.finding().key == "ports[0].devices[0].options.key"
    assert "hunter2" not in str(desk.finding())


def test_mqtt_in_the_clear_is_allowed_on_the_loopback_and_where_asked_for(desk: Desk) -> None:
    desk.edit(("mqtts://broker.example", "mqtt://[::1]"))
    assert (desk.load().uplink.host, desk.load().uplink.port, desk.load().uplink.tls) == ("::1", 1883, False)
    desk.edit(('mqtt://[::1]"', 'mqtt://10.1.0.9:1884"\ninsecure = true'))
    assert (desk.load().uplink.host, desk.load().uplink.port) == ("10.1.0.9", 1884)


def test_two_devices_of_a_bus_with_one_address_are_refused(desk: Desk) -> None:
    module = '\n  [[ports.devices]]\n  id = "io-{0}"\n  driver = "io_module"\n  lane = "lobby-2"\n'
    desk.write(f'{desk.file.read_text()}\n[[ports]]\nurl = "/dev/ttyS3"\n{module.format(1)}{module.format(2)}')
    assert desk.finding().key == "ports[3].devices"
    assert "two devices on this line have the same one" in desk.finding().problem


def test_a_line_whose_options_make_it_report_passages_is_judged_by_them(desk: Desk) -> None:
    line = 'driver = "line"\n  options = { kind = "passage" }'
    desk.edit(('driver = "em4100"\n  lane = "lobby-2"', f'{line}\n  lane = "lobby-2"'))
    assert 'has sensor = "none", but line reports passages' in desk.finding().problem
