"""The site's small documents, in TinyDB: what is on which port, since when, last seen."""

from gateway.directory.registry import Registry

__all__ = ["Registry"]
