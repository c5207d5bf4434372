"""How environment variables are read, and what is said about a wrong one.

Which variables there are stands in `environment`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from pydantic import AliasGenerator, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


class BadEnvironment(ValueError):
    """Variables whose values cannot be used; `args` holds one sentence for each."""

    def __str__(self) -> str:
        """All sentences on one line."""
        return "; ".join(self.args)


class Variables(BaseSettings):
    """Variables that are read together: ASTRID_ and the field in capitals, or its alias.

    The text in a field's ``Annotated`` states what a value looks like; it continues the
    words "must be". A ``SecretStr`` may hold a password, also inside an address. Blanks
    around a value are removed, and nothing but blanks counts as unset.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        case_sensitive=True,
        validate_default=False,
        use_attribute_docstrings=True,
        alias_generator=AliasGenerator(validation_alias=lambda name: f"ASTRID_{name.upper()}"),
    )

    def __init__(self) -> None:
        """Read the variables.

        Raises
        ------
        BadEnvironment
            If values cannot be used; it names all of their variables.
        """
        try:
            super().__init__()
        except ValidationError as error:
            fields = {variable_of(field): field for field in type(self).model_fields.values()}
            problems = [
                _problem(fields[str(detail["loc"][0])], detail["input"])
                for detail in error.errors()
                # A default that follows from a wrong variable is no second problem.
                if detail["type"] != "default_factory_not_called"
            ]
            # Not chained: the text of pydantic's error repeats values, also secret ones.
            raise BadEnvironment(*problems) from None

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, texts: dict[str, str]) -> dict[str, str]:
        return {name: text.strip() for name, text in texts.items() if text.strip()}

    @property
    def variables_set(self) -> list[str]:
        """The variables that have a value, in the order of their declaration."""
        fields = type(self).model_fields
        return [variable_of(f) for name, f in fields.items() if name in self.model_fields_set]


def variable_of(field: FieldInfo) -> str:
    """Return the name of a field's variable."""
    return str(field.validation_alias)


def expected_value(field: FieldInfo) -> str:
    """Return what a value looks like; empty where any text will do."""
    return next((text for text in field.metadata if isinstance(text, str)), "")


def is_secret(field: FieldInfo) -> bool:
    """Return whether the value may hold a password."""
    return _holds_secret(field.annotation)


def _holds_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(map(_holds_secret, get_args(annotation)))


def _problem(field: FieldInfo, value: object) -> str:
    found = "" if is_secret(field) else f", it is {value!r}"
    return f"{variable_of(field)} must be {expected_value(field)}{found}"
