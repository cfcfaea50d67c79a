"""What an operator may set: one TOML file, its drop-ins and the environment, checked before anything starts."""

from config.blanked import Blanked, blanked
from config.centre import CentreSettings
from config.driverfacts import DriverFacts
from config.findings import ConfigError, Finding
from config.jsonschema import schema
from config.load import load, load_centre
from config.secrets import exposure, read_organisation_key, read_password, read_secret
from config.settings import Settings

__all__ = [
    "Blanked",
    "CentreSettings",
    "ConfigError",
    "DriverFacts",
    "Finding",
    "Settings",
    "blanked",
    "exposure",
    "load",
    "load_centre",
    "read_organisation_key",
    "read_password",
    "read_secret",
    "schema",
]
