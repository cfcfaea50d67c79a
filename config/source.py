"""Where the settings come from: pydantic-settings asks one source, the layers, and nothing else.

By itself pydantic-settings would look into every environment variable named like a table, into `.env` and into a
secrets folder, and would not remember which of them a wrong value came from. `LayeredSource` yields the document
that `config.layers` and `config.environment` have merged, so a mistake can be told in the words of its file.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Self

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.layers import Document

_document: ContextVar[Document] = ContextVar("document")


class LayeredSource(PydanticBaseSettingsSource):
    """FILE, FILE.d/*.toml and `PUNCHGATE_…` as one tree; keys nobody declared are in it, for the model to refuse."""

    def __init__(self, settings_cls: type[BaseSettings], document: Document) -> None:
        super().__init__(settings_cls)
        self._document = document

    def __call__(self) -> dict[str, Any]:
        """The whole tree."""
        return self._document.tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """One table of it, ready as it is."""
        return self._document.tree.get(field_name), field_name, False


class Root(BaseSettings):
    """The whole of one file: frozen, no table that is not declared, read from layers or made from arguments."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def read(cls, document: Document) -> Self:
        """The settings a document holds. Raises pydantic's ValidationError."""
        token = _document.set(document)
        try:
            return cls()
        finally:
            _document.reset(token)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The layers while a document is read, otherwise what the caller says; never pydantic-settings' own."""
        document = _document.get(None)
        return (init_settings,) if document is None else (LayeredSource(settings_cls, document),)
