"""The JSON Schema of the files, for editors and for `punchgate check --schema`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from config.settings import Settings

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema(model: type[BaseModel] = Settings) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the gateway's file, or of the centre's with `CentreSettings`."""
    return {"$schema": DRAFT, **model.model_json_schema()}
