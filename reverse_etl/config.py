"""The syncs, read from dbt's manifest: one model in `models/activation/` with `meta.sync` is one sync."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reverse_etl.destination import Destination, Mode, destination_class, destination_names
from reverse_etl.errors import ConfigurationError
from reverse_etl.limits import Limits, Options

Channel = Literal["email", "sms", "phone", "web"]

NOBODY = "none"
"""The purpose of a sync whose rows are about nobody, a digest for colleagues: a row with a customer is then denied."""


class SyncConfig(BaseModel):
    """The block `meta.sync` of an activation model, as people write it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    destination: str
    object: str = Field(min_length=1)
    key: str = Field(min_length=1)
    mode: Mode = "upsert"
    """Of a list's members: `upsert` only adds (with `removal: keep`), `mirror` takes out who left as well."""
    purpose: str = Field(min_length=1)
    channel: Channel | None = None
    owner: str = Field(min_length=1)
    removal: Literal["keep", "remove"] | None = None
    on_null: Literal["clear", "leave"] = "leave"
    """What NULL does over there: leave the field as it is, or empty it."""
    max_change_share: float = Field(default=0.2, ge=0, le=1)
    guard_floor: int = Field(default=25, ge=0)
    priority: str | None = None
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)


class Sync(SyncConfig):
    """One sync: its configuration, and the relation whose rows it sends."""

    name: str
    file: str
    """The model's path in the project, for messages."""
    schema_name: str
    table: str

    @property
    def destination_class(self) -> type[Destination]:
        return destination_class(self.destination)

    @property
    def destination_options(self) -> Options:
        return self.destination_class.options_model.model_validate(self.options)

    @property
    def removes_leavers(self) -> bool:
        """Whether a row that left the model is removed at the destination."""
        return self.mode == "mirror" or self.removal == "remove"

    @property
    def limits(self) -> Limits:
        """What the tool allows for the sync's object, under the sync's options."""
        options = self.destination_options
        return self.destination_class.limits(self.object, options).under(options)


def load_syncs(manifest: Path | Mapping[str, Any]) -> list[Sync]:
    """Every sync of the project, by name. Raises ConfigurationError naming the file, the key and what is allowed."""
    content = _read(manifest) if isinstance(manifest, Path) else manifest
    syncs = []
    for node in content["nodes"].values():
        if node["resource_type"] != "model":
            continue
        block = node.get("config", {}).get("meta", {}).get("sync")
        if block is not None:
            syncs.append(_sync(node, block))
        elif node["name"].startswith("sync_"):
            raise ConfigurationError(
                f"{node['original_file_path']}: a sync_ model needs a block `sync` in its config(meta=...); "
                f"required are {', '.join(_required())}"
            )
    return sorted(syncs, key=lambda sync: sync.name)


def _read(manifest: Path) -> Mapping[str, Any]:
    try:
        content: Mapping[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{manifest} is missing: run `dbt parse` (or `kinship run`) first") from None
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"{manifest} is not JSON ({error}): run `dbt parse` again") from None
    return content


def _sync(node: Mapping[str, Any], block: object) -> Sync:
    file = node["original_file_path"]
    if not isinstance(block, Mapping):
        raise ConfigurationError(f"{file}: meta.sync must be a dictionary")
    if foreign := sorted(set(block) & {"name", "file", "schema_name", "table"}):
        raise ConfigurationError(f"{file}: meta.sync.{foreign[0]} is not allowed; allowed are {_allowed(SyncConfig)}")
    try:
        sync = Sync(
            **block, name=node["name"], file=file, schema_name=node["schema"], table=node.get("alias") or node["name"]
        )
    except ValidationError as error:
        raise ConfigurationError(_explain(f"{file}: meta.sync", SyncConfig, error)) from None
    try:
        kind = sync.destination_class
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: meta.sync.destination: {error}") from None
    try:
        kind.options_model.model_validate(sync.options)
    except ValidationError as error:
        raise ConfigurationError(_explain(f"{file}: meta.sync.options", kind.options_model, error)) from None
    if not sync.name.startswith(f"sync_{sync.destination}__"):
        raise ConfigurationError(f"{file}: a sync to {sync.destination} is named sync_{sync.destination}__<object>")
    if sync.mode not in kind.modes:
        raise ConfigurationError(
            f"{file}: meta.sync.mode: {sync.destination} cannot do {sync.mode!r}; "
            f"allowed are {', '.join(sorted(kind.modes))}"
        )
    if kind.channels and sync.channel not in kind.channels:
        raise ConfigurationError(
            f"{file}: meta.sync.channel: {sync.destination} needs the consent of a channel; "
            f"allowed are {', '.join(sorted(kind.channels))}"
        )
    if sync.purpose == NOBODY and (not kind.takes_rows_about_nobody or sync.channel):
        takers = [name for name in destination_names() if destination_class(name).takes_rows_about_nobody]
        raise ConfigurationError(
            f"{file}: meta.sync.purpose: {NOBODY!r} is for rows about nobody, without a channel, in "
            f"{', '.join(takers)}; name the purpose that people have consented to"
        )
    if sync.mode == "mirror" and sync.removal == "keep":
        raise ConfigurationError(
            f"{file}: meta.sync.removal: mode 'mirror' removes who left; drop `removal`, or use 'upsert'"
        )
    try:
        objection = kind.objection(sync.object, sync.key, sync.mode, sync.channel, sync.destination_options)
        if objection is None:
            # an object that the tool does not have has no limits either
            _ = sync.limits
    except ConfigurationError as error:
        objection = str(error)
    if objection is not None:
        raise ConfigurationError(f"{file}: meta.sync: {objection}")
    return sync


def _required() -> list[str]:
    return [name for name, field in SyncConfig.model_fields.items() if field.is_required()]


def _allowed(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields)


def _explain(where: str, model: type[BaseModel], error: ValidationError) -> str:
    problems = []
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        if problem["type"] == "extra_forbidden":
            close = get_close_matches(name, model.model_fields, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            problems.append(f"{where}.{name} is not allowed{hint}; allowed are {_allowed(model)}")
        elif problem["type"] == "missing":
            problems.append(f"{where}.{name} is missing")
        else:
            problems.append(f"{where}.{name}: {problem['msg']}")
    return "; ".join(dict.fromkeys(problems))
