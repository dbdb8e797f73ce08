"""Requests held against a vendor's OpenAPI 3.0 document: path, parameters, body.

Stricter than the document: an object whose properties are listed takes no others, so that a misspelt name is found.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from jsonschema import Draft202012Validator
from servers.base import Request

SPECS = ROOT.parent / "shared" / "specs"


class Document:
    """One document; `faults` of a request are empty when it fits."""

    def __init__(self, path: Path) -> None:
        self._document = json.loads(path.read_text())
        self._paths = {
            re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template)) + r"/?$"): operations
            for template, operations in self._document["paths"].items()
        }

    def faults(self, request: Request) -> list[str]:
        where = f"{request.method} {re.sub('[0-9]', '', request.path)}"
        found = [operations for pattern, operations in self._paths.items() if pattern.match(request.path)]
        operation = next((o[request.method.lower()] for o in found if request.method.lower() in o), None)
        if operation is None:
            return [f"{where}: no such operation"]
        faults = [f"{where}: {fault}" for fault in self._parameters(operation, request)]
        content = operation.get("requestBody", {}).get("content", {})
        if bool(content) != bool(request.body):
            faults.append(f"{where}: a body {'is missing' if content else 'where none is taken'}")
        if content and request.body:
            kind = request.headers.get("content-type", "")
            if kind not in content:
                return [*faults, f"{where}: content type {kind}"]
            errors = Draft202012Validator(self._schema(content[kind]["schema"])).iter_errors(request.json())
            # the path and the rule: the message of an error quotes values
            faults += [f"{where}: {'/'.join(map(str, error.absolute_path))} {error.validator}" for error in errors]
        return faults

    def _parameters(self, operation: dict[str, Any], request: Request) -> list[str]:
        known = {p["name"]: p for p in operation.get("parameters", ()) if p["in"] == "query"}
        faults = [f"unknown parameter {name}" for name in request.query if name not in known]
        for name, value in request.query.items():
            allowed = known.get(name, {}).get("schema", {}).get("enum")
            if allowed and value not in allowed:
                faults.append(f"{name} is not one of {allowed}")
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "header" and parameter.get("required") and parameter["name"] not in request.headers:
                faults.append(f"header {parameter['name']} is missing")
        return faults

    def _schema(self, schema: Any) -> Any:
        """The schema in today's dialect: references filled in, `nullable` as a type, no other properties."""
        if isinstance(schema, list):
            return [self._schema(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            return self._schema(self._document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
        result = {
            name: {key: self._schema(part) for key, part in value.items()}
            if name == "properties"
            else self._schema(value)
            for name, value in schema.items()
            if name not in ("example", "default", "description", "nullable")
        }
        if result.get("properties") and "additionalProperties" not in result:
            result["additionalProperties"] = False
        return {"anyOf": [result, {"type": "null"}]} if schema.get("nullable") else result


@cache
def document(name: str) -> Document:
    """The document `<vendor>/<file>`; skips the test with the reason where it is not there."""
    path = SPECS / name
    if not path.exists():
        pytest.skip(f"{name} is not here: the vendor's document is no part of the project")
    return Document(path)
