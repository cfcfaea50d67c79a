"""Building packages: the same bytes each time, nothing but what the lock pins, and papers about all of it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from box import ENTER
from bundle import debian, licences, sbom, selfextracting
from bundle.build import MINORS
from bundle.deb import Package
from bundle.layout import Parts
from bundle.lock import Lock
from bundle.release import release
from bundle.tree import Tree
from bundle.trouble import Trouble
from bundle.wheels import Wheel, build_own, fetch, grouped
from hypothesis import given, settings
from hypothesis import strategies as st
from small_wheels import EPOCH, ROOT, licensed, wheel

NAMES = st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3}){0,2}", fullmatch=True)


def lock_of(*wheels: Wheel) -> Lock:
    return Lock(
        "".join(f"{it.name}=={it.version} \\\n    --hash=sha256:{it.sha256}\n    # via us\n" for it in wheels)
    )


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """Three small wheels, one of them for one Python only."""
    own, common, special = (
        licensed(tmp_path, "punchgate"),
        licensed(tmp_path, "common"),
        licensed(tmp_path, "special"),
    )
    return Parts(ROOT, own, {"lib": [common], "lib-3.11": [special], "lib-3.13": []})


def test_two_builds_of_the_packages_are_the_same_bytes(tmp_path: Path) -> None:
    said = []
    for number, zone in enumerate(("UTC", "Asia/Shanghai")):
        surroundings = {
            "PYTHONPATH": str(ROOT / "systemd"),
            "PYTHONHASHSEED": str(number),
            "TZ": zone,
            "HOME": str(tmp_path / str(number)),
        }
        program = [sys.executable, str(Path(__file__).with_name("small_wheels.py")), str(tmp_path / f"{number}x")]
        command = ["sh", "-c", f'umask 0{number}7; exec "$@"', "sh", *program]
        done = subprocess.run(command, env=os.environ | surroundings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert said[0] == said[1]


def test_two_builds_of_our_own_wheel_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = (build_own(ROOT, tmp_path / name, EPOCH) for name in ("a", "b"))
    assert first.sha256 == second.sha256
    assert {"gateway/commands/__init__.py", f"{first.info}/entry_points.txt"} <= set(first.contents)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=50), min_size=1))
def test_an_archive_holds_what_was_added_in_one_order_owned_by_root(files: dict[str, bytes]) -> None:
    files = {path: data for path, data in files.items() if not any(other.startswith(f"{path}/") for other in files)}
    forwards, backwards = Tree(), Tree()
    for path, data in files.items():
        forwards.add(path, data)
    for path, data in reversed(files.items()):
        backwards.add(path, data)
    assert forwards.tar(EPOCH) == backwards.tar(EPOCH)
    with tarfile.open(fileobj=BytesIO(forwards.tar(EPOCH))) as archive:
        members = archive.getmembers()
        found = {it.name.removeprefix("./"): archive.extractfile(it) for it in members if it.isfile()}
        assert {path: stream.read() for path, stream in found.items() if stream} == files
        assert {(it.uid, it.gid, it.uname, it.mtime) for it in members} == {(0, 0, "root", EPOCH)}


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a//b", "./a"])
def test_no_file_gets_out_of_the_tree(path: str) -> None:
    with pytest.raises(ValueError, match="not a path inside"):
        Tree().add(path, b"")


def test_two_wheels_may_not_want_one_file() -> None:
    tree = Tree()
    tree.add("a", b"1")
    tree.add("a", b"1")
    with pytest.raises(ValueError, match="two parts want a"):
        tree.add("a", b"2")


@pytest.mark.needs("dpkg-deb")
def test_a_package_is_what_debian_reads(parts: Parts, tmp_path: Path) -> None:
    package = debian.gateway(parts, "1.2~git3", "arm64", {"sbom.cdx.json": b"{}"})
    path = tmp_path / package.file_name
    path.write_bytes(package.write(EPOCH))
    fields = subprocess.run(["dpkg-deb", "--field", str(path)], capture_output=True, text=True, check=True).stdout
    assert "Package: punchgate\nVersion: 1.2~git3\nArchitecture: arm64\n" in fields
    listed = subprocess.run(["dpkg-deb", "--contents", str(path)], capture_output=True, text=True, check=True).stdout
    for place in (
        "lib/punchgate/dist/lib/common/__init__.py",
        "lib/punchgate/dist/lib-3.11/special/__init__.py",
        "lib/punchgate/dist/bin/punchgate",
        "lib/punchgate/keeper",
    ):
        assert f" ./usr/{place}\n" in listed
    assert " ./usr/bin/punchgate -> ../lib/punchgate/current/bin/punchgate\n" in listed
    assert " ./usr/share/doc/punchgate/licences/common/LICENSE\n" in listed


def test_a_wheel_with_other_bytes_than_the_lock_says_is_refused(tmp_path: Path) -> None:
    good = licensed(tmp_path, "good")
    lock = lock_of(good)
    lock.check([good.path])
    with good.path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(Trouble, match=r"good-1\.0-py3-none-any\.whl is not what requirements\.lock pins"):
        lock.check([good.path])


def test_a_wheel_that_is_not_pinned_is_refused_and_a_missing_one_named(tmp_path: Path) -> None:
    good, other = licensed(tmp_path, "good"), licensed(tmp_path, "other")
    with pytest.raises(Trouble, match="other"):
        lock_of(good).check([good.path, other.path])
    with pytest.raises(Trouble, match="no wheel of other"):
        lock_of(good, other).check([good.path])


def test_a_pin_without_a_hash_is_refused() -> None:
    with pytest.raises(Trouble, match="loose has no hash"):
        Lock("loose==1.0\n")


def test_wheels_that_were_fetched_before_are_checked_again_and_need_no_network(tmp_path: Path) -> None:
    good = licensed(tmp_path, "good")
    lock = lock_of(good)
    folder = tmp_path / "store" / f"arm64-3.13-{lock.digest[:16]}"
    folder.mkdir(parents=True)
    good.path.rename(folder / good.path.name)
    (folder / "complete").touch()
    assert [it.name for it in fetch(ROOT, lock, "arm64", "3.13", tmp_path / "store")] == ["good"]
    (folder / good.path.name).write_bytes(b"changed")
    with pytest.raises(Trouble, match="not what"):
        fetch(ROOT, lock, "arm64", "3.13", tmp_path / "store")


def test_what_all_pythons_share_is_there_once(tmp_path: Path) -> None:
    common, old, new = (licensed(tmp_path, name) for name in ("common", "old", "new"))
    groups = grouped({"3.11": [common, old], "3.13": [common, new]})
    assert groups == {"lib": [common], "lib-3.11": [old], "lib-3.13": [new]}


@pytest.mark.parametrize("member", ["sneaky.pth", "sneaky-1.0.data/data/etc/passwd"])
def test_a_wheel_that_reaches_beyond_its_folder_is_refused(tmp_path: Path, member: str) -> None:
    with pytest.raises(Trouble, match="cannot be bundled"):
        _ = wheel(tmp_path, "sneaky", {member: ""}).contents


def test_scripts_of_wheels_do_not_get_on_the_path(tmp_path: Path) -> None:
    found = wheel(tmp_path, "a", {"a-1.0.data/scripts/a": "", "a-1.0.data/purelib/a.py": ""}).contents
    assert set(found) == {"a.py", "a-1.0.dist-info/METADATA"}


def test_a_part_without_a_licence_or_its_text_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="does not say its licence"):
        licences.expression(licensed(tmp_path, "mute", License_Expression=""))
    with pytest.raises(Trouble, match="brings no licence text"):
        licences.texts(wheel(tmp_path, "bare"))


def test_the_bill_names_every_part_its_licence_its_hash_and_what_is_compiled_into_it(tmp_path: Path) -> None:
    own = licensed(tmp_path, "punchgate", Requires_Dist="outer>=1")
    crate = {
        "components": [
            {"type": "library", "name": "openssl", "version": "4", "bom-ref": "x", "purl": "pkg:generic/openssl@4"}
        ]
    }
    outer = wheel(
        tmp_path, "outer", {"outer-1.0.dist-info/sboms/rust.json": json.dumps(crate)}, Requires_Dist="absent"
    )
    now = release(ROOT)
    bill = json.loads(sbom.document("punchgate_1_amd64", "1", now.date, own, [outer]))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    (part,) = bill["components"]
    assert part["purl"] == "pkg:pypi/outer@1.0"
    assert part["licenses"] == [{"expression": "MIT"}]
    assert part["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(outer.path.read_bytes()).hexdigest()}]
    assert [inner["name"] for inner in part["components"]] == ["openssl"]
    assert bill["dependencies"][0] == {"ref": "punchgate_1_amd64", "dependsOn": [outer.path.name]}
    assert bill == json.loads(sbom.document("punchgate_1_amd64", "1", now.date, own, [outer]))


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false")
    dated = os.environ | {"GIT_COMMITTER_DATE": f"{EPOCH} +0800", "GIT_AUTHOR_DATE": f"{EPOCH} +0800"}
    subprocess.run(["git", "-C", str(folder), *who, *words], env=dated, check=True, capture_output=True)


@pytest.mark.needs("git")
def test_a_version_says_whether_it_is_released_on_the_way_or_not_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    step = release(tmp_path)
    assert step.version.startswith("1.2.0~git20260921.")
    assert step.epoch == EPOCH
    git(tmp_path, "tag", "v1.2.0")
    assert release(tmp_path).version == "1.2.0"
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "new.py").touch()
    assert release(tmp_path).version.endswith(".dirty")


def test_a_tree_without_git_has_to_be_told_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    with pytest.raises(Trouble, match="SOURCE_DATE_EPOCH"):
        release(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5")
    assert (release(tmp_path).version, release(tmp_path).epoch) == ("1.2.0", 5)


def test_the_debian_version_names_the_releases_it_is_for() -> None:
    assert debian.full_version("0.1.0") == "0.1.0+deb12.13"
    assert set(debian.RELEASES) <= set(MINORS)


def test_the_head_of_the_installer_knows_where_it_ends_and_what_follows(parts: Parts) -> None:
    data = selfextracting.write(parts, "1", "amd64", EPOCH, {})
    head = data[: data.index(b"\x1f\x8b")].decode()
    assert f"head_bytes={len(head.encode())}\n" in head
    assert f"payload_sha256={hashlib.sha256(data[len(head.encode()) :]).hexdigest()}\n" in head
    assert "@" not in head.replace('"$@"', "").replace("@PYTHON@", "")


@pytest.mark.parametrize(
    "script", [*sorted((ROOT / "systemd" / "debian").glob("*")), ROOT / "systemd/install.sh"], ids=lambda it: it.name
)
def test_every_script_is_posix_shell(script: Path) -> None:
    assert subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False).stderr == ""
    assert "[[" not in script.read_text()


def test_a_member_of_odd_length_is_padded() -> None:
    data = Package("a", "1", "all", {"Description": "x"}, Tree()).write(EPOCH)
    assert data.startswith(b"!<arch>\ndebian-binary   ")
    assert len(data) % 2 == 0


def test_no_command_meant_for_a_box_runs_on_the_machine_of_the_tests() -> None:
    done = subprocess.run(["sh", "-c", ENTER, "box", "echo", "ran"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (99, "this is no box\n")
