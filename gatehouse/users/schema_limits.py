"""What a profile schema may contain: known keywords of JSON Schema 2020-12, within limits.

The limits bound the work of each validation: references lead into the document itself and form no
cycle, and the document stays small when every reference is replaced by what it refers to.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from gatehouse.core.errors import reject_field
from gatehouse.web.fields import UNSTORABLE

Definition: TypeAlias = Mapping[str, Any]
MAX_BYTES = 32 << 10
MAX_SUBSCHEMAS = 500
"""In all, with each reference replaced by what it refers to."""
MAX_DEPTH = 16
MAX_LEVEL = 4 * MAX_DEPTH
"""Where measuring ends: a long chain of references would exhaust the stack before it is refused."""
REFERENCE = re.compile(r"#/\$defs/([A-Za-z0-9_-]+)")
ONE = {
    *("items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else"),
}
"""Keywords whose value is a schema."""
LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
MAPS = {"properties", "patternProperties"}
LEAVES = {
    *("$ref", "$comment", "title", "description", "examples", "deprecated", "default"),
    *("type", "enum", "const", "format", "pattern", "minLength", "maxLength"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minItems", "maxItems", "uniqueItems", "minContains", "maxContains"),
    *("required", "dependentRequired", "minProperties", "maxProperties"),
}
KEYWORDS = ONE | LISTS | MAPS | LEAVES


@dataclass(frozen=True)
class Extent:
    """How large a schema is, with all references followed."""

    subschemas: int
    depth: int


@dataclass
class Limits:
    """Measures the schemas of a document; each definition in `$defs` once."""

    definitions: Definition
    measured: dict[str, Extent | None] = field(default_factory=dict)
    """By the name in `$defs`; None while it is being measured."""

    def require_small(self, schema: object, path: str, level: int = 1) -> Extent:
        """Require that a schema has known keywords only and stays within the limits.

        Raises:
            ValidationFailed: it does not; the error names the path.
        """
        extent = self._measure(schema, path, level)
        if extent.subschemas > MAX_SUBSCHEMAS:
            reject_field(path, "too_large", f"Use at most {MAX_SUBSCHEMAS} subschemas in all.")
        if extent.depth > MAX_DEPTH:
            reject_field(path, "too_deep", f"Nest at most {MAX_DEPTH} subschemas.")
        return extent

    def _measure(self, schema: object, path: str, level: int) -> Extent:
        if level > MAX_LEVEL:
            reject_field(path, "too_deep", f"Nest at most {MAX_DEPTH} subschemas.")
        if not isinstance(schema, dict):  # true or false
            return Extent(1, 1)
        for keyword in schema.keys() - KEYWORDS:
            reject_field(f"{path}.{keyword}", "unknown_keyword", "This keyword is not supported.")
        below = level + 1
        subschemas = _list_subschemas(schema, path)
        inner = [self.require_small(one, where, below) for where, one in subschemas]
        if "$ref" in schema:
            inner.append(self._follow(schema["$ref"], f"{path}.$ref", below))
        size = 1 + sum(one.subschemas for one in inner)
        return Extent(size, 1 + max((one.depth for one in inner), default=0))

    def _follow(self, reference: object, path: str, level: int) -> Extent:
        match = REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
        if match is None or match[1] not in self.definitions:
            reject_field(path, "unknown_reference", "Refer to a schema of $defs: #/$defs/NAME.")
        name = match[1]
        if name not in self.measured:
            self.measured[name] = None
            where = f"schema.$defs.{name}"
            self.measured[name] = self.require_small(self.definitions[name], where, level)
        extent = self.measured[name]
        if extent is None:
            reject_field(path, "cycle", "A schema cannot contain itself.")
        return extent


def require_small_document(document: Definition) -> None:
    """Require that a document has a bounded length, and texts that can be encoded.

    Raises:
        ValidationFailed: it is too long, or has half of a surrogate pair (RFC 8259 section 8.2).
    """
    if UNSTORABLE.search(json.dumps(document, ensure_ascii=False)):
        reject_field("schema", "unprintable", "A text is not valid Unicode.")
    if len(json.dumps(document)) > MAX_BYTES:
        reject_field("schema", "too_large", f"Use at most {MAX_BYTES >> 10} KiB.")


def _list_subschemas(schema: dict[str, object], path: str) -> Iterator[tuple[str, object]]:
    for keyword in ONE & schema.keys():
        yield f"{path}.{keyword}", schema[keyword]
    for keyword in LISTS & schema.keys():
        for number, one in enumerate(cast(list[object], schema[keyword])):
            yield f"{path}.{keyword}.{number}", one
    for keyword in MAPS & schema.keys():
        for name, one in cast(dict[str, object], schema[keyword]).items():
            yield f"{path}.{keyword}.{name}", one
