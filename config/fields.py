"""The kinds of value an operator may write, each with its bounds, shared by both files' tables.

Numbers are strict (`true` is no number, `"9600"` no baud); environment variables are converted before they come
here. A refusal that needs a remedy is a `refusal`, everything else is worded from pydantic's own error.
"""

from __future__ import annotations

import os
from itertools import permutations
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from config.findings import choose, nearest

ID_PATTERN = r"^[a-z0-9-]{1,32}$"
_PLACE_PATTERN = r"^[^\s/+#](?:[^/+#\x00-\x1f\x7f]{0,62}[^\s/+#])?$"
_TOPIC_PATTERN = r"^[^/+#$\s\x00][^+#\s\x00]{0,199}$"
_STEPS = ("reverse_bytes", "reverse_bits")
_FORMS = ("native", "wiegand26", "wiegand34", "low32")
VIEWS = tuple("+".join((form, *steps)) for form in _FORMS for n in range(3) for steps in permutations(_STEPS, n))


class Table(BaseModel):
    """A TOML table: frozen, and no key that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Log(Table):
    """What the daemon says on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important line shown."
    )
    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: readable on a terminal, JSON lines elsewhere."
    )


def refusal(problem: str, remedy: str = "") -> PydanticCustomError:
    """An error with a remedy, for validators to raise; braces in the texts are taken as they are."""
    return PydanticCustomError("refused", "{problem}", {"problem": problem, "remedy": remedy})


def types_of(annotation: object) -> frozenset[type]:
    """The plain types a field takes, without bounds; words of a Literal count as str."""
    if isinstance(annotation, type):
        return frozenset({annotation})
    if get_origin(annotation) is Annotated:
        return types_of(get_args(annotation)[0])
    return frozenset().union(*map(types_of, get_args(annotation))) or frozenset({str})


def _file_path(value: object) -> Path:
    if not isinstance(value, str | Path):
        raise refusal("must be a path", "write it between quotes")
    if not str(value).strip() or "\0" in str(value):
        raise refusal("must be a path, not an empty text", "leave the key out instead")
    return Path(os.path.normpath(value))


def _timezone(name: str) -> str:
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        zones = sorted(available_timezones())
        close = nearest(name, zones)
        hint = f'did you mean "{close}"?' if close else "an IANA name such as Asia/Shanghai"
        raise refusal("is not a known time zone", hint if zones else "install the tzdata package") from None
    return name


def _view(value: str) -> str:
    if value not in VIEWS:
        raise refusal("is not a view", f"{choose(value, _FORMS)}; then optionally +reverse_bytes and +reverse_bits")
    return value


def _serial_url(value: str) -> str:
    if value != value.strip() or any(ord(char) < 32 for char in value):
        raise refusal("has blanks around it or control characters", "write a device path or a pyserial URL")
    return value


def _protocol(value: object) -> object:
    return str(value) if type(value) is int else value


Id = Annotated[str, Field(pattern=ID_PATTERN)]
Place = Annotated[str, Field(pattern=_PLACE_PATTERN)]
Prefix = Annotated[str, Field(pattern=_TOPIC_PATTERN)]
Text = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00]*$")]
Whole = Annotated[int, Field(strict=True)]
Seconds = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Switch = Annotated[bool, Field(strict=True)]
FilePath = Annotated[Path, BeforeValidator(_file_path)]
Timezone = Annotated[str, AfterValidator(_timezone)]
View = Annotated[
    str,
    AfterValidator(_view),
    WithJsonSchema({"type": "string", "pattern": rf"^({'|'.join(_FORMS)})(\+({'|'.join(_STEPS)})){{0,2}}$"}),
]
SerialUrl = Annotated[Text, AfterValidator(_serial_url)]
Protocol = Annotated[Literal["5", "3.1.1"], BeforeValidator(_protocol), WithJsonSchema({"enum": ["5", "3.1.1", 5]})]
