"""The profile schema: which attributes users can have, who reads and writes each, which are claims.

It is a JSON Schema (draft 2020-12) of an object whose properties are the attributes. Each attribute
is validated by itself; what an operator does not say is the safe choice: administrators only.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import jsonschema_rs

from gatehouse.core.errors import ValidationFailed, reject_field
from gatehouse.core.log import logger
from gatehouse.tokens import custom_claims
from gatehouse.users import attribute_errors
from gatehouse.users.attribute_errors import FieldErrors
from gatehouse.users.schema_limits import Definition, Limits, require_small_document

DRAFT = "https://json-schema.org/draft/2020-12/schema"
USER, ADMINISTRATOR = "user", "administrator"
PARTIES = (USER, ADMINISTRATOR)
EXTENSION = "x-gatehouse"
MEMBERS = {"$schema", "$defs", "$comment", "title", "description", "type", "properties"}
MAX_ATTRIBUTES = 50
NAME = r"[a-z][a-z0-9_]{0,62}"
NOTHING_DECLARED: Definition = {"type": "object", "properties": {}}
PATTERNS = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)
"""Patterns take time in proportion to the text, whatever they are: there is no backtracking."""


@dataclass(frozen=True)
class Attribute:
    """One attribute: who may read and write it, and the claim that it becomes."""

    name: str
    readers: frozenset[str]
    writers: frozenset[str]
    claim: str | None
    validator: jsonschema_rs.Validator

    def find_errors(self, value: object) -> FieldErrors:
        """Return what is wrong with a value, by the dotted name of the field."""
        return attribute_errors.describe(self.name, self.validator.iter_errors(value))


@dataclass(frozen=True)
class ProfileSchema:
    """All attributes, as they were declared at a version."""

    version: int
    definition: Definition
    attributes: Mapping[str, Attribute]

    def select_readable(
        self, values: Mapping[str, object] | None, reader: str
    ) -> dict[str, object]:
        """Return the attributes of a user that a party may read."""
        return {
            name: value
            for name, value in (values or {}).items()
            if name in self.attributes and reader in self.attributes[name].readers
        }

    def select_claims(self, values: Mapping[str, object] | None) -> dict[str, object]:
        """Return the claims that the attributes of a user become, by the name of the claim."""
        found = ((self.attributes.get(name), value) for name, value in (values or {}).items())
        return {one.claim: value for one, value in found if one and one.claim}

    def list_writable(self, writer: str) -> list[str]:
        """Return the names of the attributes that a party may write."""
        return [name for name, one in self.attributes.items() if writer in one.writers]

    def find_errors(self, values: Mapping[str, object]) -> FieldErrors:
        """Return what is wrong with values that are stored, or are to be stored."""
        errors: FieldErrors = {}
        for name, value in values.items():
            declared = self.attributes.get(name)
            errors |= declared.find_errors(value) if declared else attribute_errors.unknown(name)
        return errors | self.find_size_errors(values)

    def find_size_errors(self, values: Mapping[str, object]) -> FieldErrors:
        """Return the error of values whose claims together are too large for a token."""
        if custom_claims.measure_claims(self.select_claims(values)) <= custom_claims.MAX_SIZE:
            return {}
        return attribute_errors.claims_too_large(custom_claims.MAX_SIZE)

    @property
    def has_claims(self) -> bool:
        """Whether an attribute becomes a claim."""
        return any(one.claim for one in self.attributes.values())


def parse(definition: Definition, version: int = 0) -> ProfileSchema:
    """Return the schema of a definition.

    Raises:
        ValidationFailed: it is no JSON Schema, or not one that is supported here.
    """
    require_small_document(definition)
    _require_object_schema(definition)
    limits = Limits(definition.get("$defs", {}))
    for name, one in limits.definitions.items():
        limits.require_small(one, f"schema.$defs.{name}")
    attributes = {
        name: _parse_attribute(name, one, limits) for name, one in definition["properties"].items()
    }
    _require_distinct_claims(attributes.values())
    return ProfileSchema(version, definition, attributes)


def parse_stored(definition: Definition, version: int) -> ProfileSchema:
    """Return the schema of a definition that was accepted before, maybe by another version of ours.

    Attributes that this version does not accept are as if they were not declared: a name of a claim
    that has got a meaning since, or a keyword that only a newer version knows, stops no login.
    """
    try:
        return parse(definition, version)
    except ValidationFailed as problem:
        message = "Attributes of the stored profile schema are ignored: they are not supported."
        logger().error(message, version=version, places=sorted(problem.errors))
    attributes: dict[str, Attribute] = {}
    for name, one in definition["properties"].items():
        with suppress(ValidationFailed):
            attributes |= parse({**definition, "properties": {name: one}}).attributes
    return ProfileSchema(version, definition, attributes)


def _require_object_schema(definition: Definition) -> None:
    """Require the members that the whole document may have, and the syntax of JSON Schema."""
    for member in definition.keys() - MEMBERS:
        message = "This is supported within an attribute only, not for the whole profile."
        reject_field(f"schema.{member}", "unknown_keyword", message)
    if definition.get("$schema", DRAFT) != DRAFT:
        reject_field("schema.$schema", "invalid", f"Write {DRAFT}.")
    if definition.get("type") != "object":
        reject_field("schema.type", "invalid", "Write object.")
    if "properties" not in definition:
        reject_field("schema.properties", "required", "This field is required.")
    try:
        jsonschema_rs.meta.validate(dict(definition))
    except jsonschema_rs.ValidationError as error:
        path = ".".join(map(str, ["schema", *error.instance_path]))
        reject_field(path, "invalid", "This is not valid in JSON Schema (draft 2020-12).")
    if len(definition["properties"]) > MAX_ATTRIBUTES:
        message = f"Declare at most {MAX_ATTRIBUTES} attributes."
        reject_field("schema.properties", "too_many", message)


def _parse_attribute(name: str, declared: object, limits: Limits) -> Attribute:
    path = f"schema.properties.{name}"
    if not re.fullmatch(NAME, name):
        reject_field(path, "invalid", "Use small letters, digits and _, as in cost_center.")
    if not isinstance(declared, dict):
        reject_field(path, "invalid_type", "Send a JSON object.")
    schema = {key: value for key, value in declared.items() if key != EXTENSION}
    limits.require_small(schema, path)
    extension, where = declared.get(EXTENSION, {}), f"{path}.{EXTENSION}"
    if not isinstance(extension, dict) or extension.keys() - {"read", "write", "claim"}:
        reject_field(where, "invalid", "Send an object with read, write and claim only.")
    return Attribute(
        name,
        readers=_parse_parties(extension, "read", where),
        writers=_parse_parties(extension, "write", where),
        claim=_parse_claim(extension, where),
        validator=_compile({"$defs": limits.definitions, **schema}, path),
    )


def _parse_parties(extension: Definition, member: str, path: str) -> frozenset[str]:
    listed = extension.get(member, [ADMINISTRATOR])
    if not isinstance(listed, list) or any(one not in PARTIES for one in listed):
        message = f"Send a list of {' and '.join(PARTIES)}."
        reject_field(f"{path}.{member}", "invalid", message)
    return frozenset(listed)


def _parse_claim(extension: Definition, path: str) -> str | None:
    claim = extension.get("claim")
    if claim is not None and not (isinstance(claim, str) and custom_claims.is_allowed(claim)):
        message = "This name has a meaning of its own in tokens, or is no name; choose another."
        reject_field(f"{path}.claim", "reserved_claim", message)
    return claim


def _compile(document: Definition, path: str) -> jsonschema_rs.Validator:
    """Return the validator of an attribute; formats are asserted, and nothing is fetched."""
    try:
        return jsonschema_rs.Draft202012Validator(
            dict(document),
            validate_formats=True,
            ignore_unknown_formats=False,
            pattern_options=PATTERNS,
            offline=True,
        )
    except jsonschema_rs.ValidationError as error:
        inner = [str(one) for one in error.instance_path]
        message = "This pattern or format is not supported; see the guide."
        reject_field(".".join([path, *inner]), "invalid", message)


def _require_distinct_claims(attributes: Iterable[Attribute]) -> None:
    claims = [one.claim for one in attributes if one.claim]
    for claim in claims:
        if claims.count(claim) > 1:
            reject_field("schema.properties", "duplicate", f"Two attributes become {claim}.")
