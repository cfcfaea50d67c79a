"""The site's small documents, in TinyDB: what is on which port, and what the centre has told of tokens."""

from gateway.directory.directory import Directory
from gateway.directory.hits import with_hits
from gateway.directory.keeping import Keeping
from gateway.directory.registry import Lost, Registry
from gateway.directory.shelf import Shelf

__all__ = ["Directory", "Keeping", "Lost", "Registry", "Shelf", "with_hits"]
