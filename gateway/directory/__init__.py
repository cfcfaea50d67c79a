"""The site's small documents, in TinyDB: what is on which port, since when, last seen."""

from gateway.directory.registry import Lost, Registry

__all__ = ["Lost", "Registry"]
