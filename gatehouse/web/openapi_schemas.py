"""Schemas of the OpenAPI document that marshmallow cannot express: one of several shapes.

Each shape is a schema of its own, so that generated clients have a type for each.
"""

import json
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_instance
from apispec.ext.marshmallow.openapi import OpenAPIConverter

from gatehouse.web.fields import Form, Union


class SchemaPlugin(MarshmallowPlugin):
    """Documents a form that can be filled in several ways, and a response of several kinds."""

    converter: OpenAPIConverter
    spec: APISpec

    def schema_helper(  # type: ignore[override] # as in MarshmallowPlugin, which is not typed
        self, name: str, _: Any, schema: Any = None, **options: Any
    ) -> object:
        """Return the JSON Schema of a component that a marshmallow schema defines, else None."""
        if schema is None:
            return None
        described = super().schema_helper(name, _, schema, **options)  # type: ignore[no-untyped-call]
        instance = resolve_schema_instance(schema)
        if isinstance(instance, Union):
            return self._describe_union(instance)
        if not isinstance(instance, Form):
            return described
        described = {**described, "properties": _without_defaults(described["properties"])}
        if not instance.alternatives:
            return described
        return self._describe_alternatives(name, described, instance.alternatives)

    def _describe_union(self, union: Union) -> dict[str, object]:
        """Describe a response by its kinds, identified by one member."""
        references = {
            value: self.converter.resolve_nested_schema(kind)  # type: ignore[no-untyped-call]
            for value, kind in union.kinds.items()
        }
        mapping = {value: reference["$ref"] for value, reference in references.items()}
        discriminator = {"propertyName": union.discriminator, "mapping": mapping}
        return {"oneOf": list(references.values()), "discriminator": discriminator}

    def _describe_alternatives(
        self, name: str, described: dict[str, object], alternatives: tuple[frozenset[str], ...]
    ) -> dict[str, object]:
        """Describe a form by the ways to fill it in; each has its own required members."""
        references = []
        for way in alternatives:
            component = f"{name}With{''.join(map(_to_camel_case, sorted(way)))}"
            others = frozenset().union(*alternatives) - way
            self.spec.components.schema(component, _require(described, way, others))
            references.append({"$ref": f"#/components/schemas/{component}"})
        return {"oneOf": references}


def _without_defaults(properties: dict[str, Any]) -> dict[str, Any]:
    """Move defaults to the descriptions: generators make a member with a default mandatory."""
    described = {}
    for name, member in properties.items():
        about = dict(member)
        if "default" in about:
            sentences = (about.get("description"), f"default: {json.dumps(about.pop('default'))}")
            about["description"] = "; ".join(filter(None, sentences))
        described[name] = about
    return described


def _require(
    described: dict[str, Any], required: frozenset[str], absent: frozenset[str]
) -> dict[str, object]:
    """Return a description of an object that has some members and never others."""
    members = {key: value for key, value in described["properties"].items() if key not in absent}
    names = sorted({*described.get("required", ()), *required})
    return {**described, "properties": members, "required": names}


def _to_camel_case(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
