"""Requests and answers held against a vendor's OpenAPI 3.0 document: path, parameters, body.

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
from servers.base import Answer, Request

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
        where, operation = self._operation(request)
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
            faults += self._misfits(where, self._schema(content[kind]["schema"], closed=True), request.json())
        return faults

    def faults_of_answer(self, request: Request, answer: Answer) -> list[str]:
        """What is wrong with an answer of ours to a request that fits: our server must not be kinder than theirs."""
        where, operation = self._operation(request)
        if operation is None:
            return []
        responses = operation["responses"]
        response = responses.get(str(answer.status)) or responses.get(f"{answer.status // 100}XX")
        if response is None:
            return [f"{where}: status {answer.status}"]
        if "$ref" in response:
            response = self._document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
        schemas = [content["schema"] for content in response.get("content", {}).values()]
        if not schemas:
            return []
        return self._misfits(f"{where} {answer.status}", self._schema(schemas[0], closed=False), answer.body)

    def _operation(self, request: Request) -> tuple[str, dict[str, Any] | None]:
        found = [operations for pattern, operations in self._paths.items() if pattern.match(request.path)]
        operation = next((o[request.method.lower()] for o in found if request.method.lower() in o), None)
        return f"{request.method} {re.sub('[0-9]', '', request.path)}", operation

    def _misfits(self, where: str, schema: Any, content: Any) -> list[str]:
        errors = Draft202012Validator(schema).iter_errors(content)
        # the path and the rule: the message of an error quotes values
        return [f"{where}: {'/'.join(map(str, error.absolute_path))} {error.validator}" for error in errors]

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

    def _schema(self, schema: Any, *, closed: bool) -> Any:
        """The schema in today's dialect: references filled in, `nullable` a type, no other properties if `closed`."""
        if isinstance(schema, list):
            return [self._schema(part, closed=closed) for part in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            return self._schema(self._document["components"]["schemas"][name], closed=closed)
        result = {
            name: {key: self._schema(part, closed=closed) for key, part in value.items()}
            if name == "properties"
            else self._schema(value, closed=closed)
            for name, value in schema.items()
            if name not in ("example", "default", "description", "nullable")
        }
        if closed and result.get("properties") and "additionalProperties" not in result:
            result["additionalProperties"] = False
        return {"anyOf": [result, {"type": "null"}]} if schema.get("nullable") else result


@cache
def document(name: str) -> Document:
    """The document `<vendor>/<file>`; skips the test with the reason where it is not there."""
    path = SPECS / name
    if not path.exists():
        pytest.skip(f"{name} is not here: the vendor's document is no part of the project")
    return Document(path)
