"""A gateway in one file: its configuration, what it remembers, its keys if asked for; and back again.

    manifest.json       what is in it, with hashes; signed where the gateway has a key
    punchgate.toml      the configuration, whatever its name
    drop-ins/*.toml     what lies beside it
    files/…             the files that it names, by their place in its folder
    devices.json        the device registry
    journal.sqlite      the journal as it was at one instant, with the marks of devices

A gzipped tar in this order, so that it is read once from front to back, and whatever has to be refused is refused
before anything is unpacked.
"""

from gateway.backup.archive import BackupReader
from gateway.backup.creating import Made, write_backup
from gateway.backup.manifest import Manifest
from gateway.backup.restoring import Restored, restore

__all__ = ["BackupReader", "Made", "Manifest", "Restored", "restore", "write_backup"]
