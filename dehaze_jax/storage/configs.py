"""Frozen dataclasses to JSON and back; what does not fit is refused by name."""

import dataclasses
import os
import pathlib
import types
import typing
from collections.abc import Mapping
from typing import Any

import cattrs
import cattrs.preconf.json

from dehaze_jax.errors import InputError


def config_to_dict(config: Any) -> dict[str, Any]:
    """A config dataclass as nested dictionaries, lists, strings and numbers."""
    return _converter.unstructure(config)


def config_from_dict(cls: Any, values: Mapping[str, Any], *, source: str | os.PathLike[str]) -> Any:
    """Builds a config from what `config_to_dict` gave.

    Args:
        cls: the dataclass, or a union of dataclasses told apart by a `Literal` field `name`.
        values: nested dictionaries.
        source: where the values came from; named in errors.

    Raises:
        InputError: unknown field, missing field, wrong type or a value that the dataclass refuses.
    """
    try:
        return _converter.structure(values, cls)
    except (cattrs.BaseValidationError, cattrs.StructureHandlerNotFoundError, ValueError) as error:
        reasons = cattrs.transform_error(error, path="config", format_exception=_explain)
        raise InputError(source, "; ".join(reasons)) from error


def _explain(error: BaseException, expected: Any) -> str:
    match error:
        case cattrs.ForbiddenExtraKeysError():
            return f"unknown field {', '.join(sorted(error.extra_fields))}"
        case KeyError():
            return "missing field"
        case _:
            return str(error)


def _exactly(*accepted: type):
    """A hook that takes values of these types and converts nothing but int to float."""

    def structure(value: Any, wanted: type) -> Any:
        # bool is an int to isinstance.
        if not isinstance(value, accepted) or (isinstance(value, bool) and wanted is not bool):
            raise TypeError(f"{value!r} is not {wanted.__name__}")
        return wanted(value)

    return structure


def _is_tagged_union(kind: Any) -> bool:
    if typing.get_origin(kind) not in (typing.Union, types.UnionType):
        return False
    members = [member for member in typing.get_args(kind) if member is not type(None)]
    return len(members) > 1 and all(
        dataclasses.is_dataclass(member) and "name" in {f.name for f in dataclasses.fields(member)}
        for member in members
    )


def _tagged_union(kind: Any):
    members = {
        tag: member
        for member in typing.get_args(kind)
        if member is not type(None)
        for tag in typing.get_args(typing.get_type_hints(member)["name"])
    }

    def structure(value: Any, _: Any) -> Any:
        if value is None and type(None) in typing.get_args(kind):
            return None
        tag = value.get("name") if isinstance(value, Mapping) else None
        if tag not in members:
            raise ValueError(f"name {tag!r} is none of {', '.join(sorted(members))}")
        return _converter.structure(value, members[tag])

    return structure


def _literal(kind: Any):
    options = typing.get_args(kind)

    def structure(value: Any, _: Any) -> Any:
        if not any(value == option and type(value) is type(option) for option in options):
            raise ValueError(f"{value!r} is none of {', '.join(map(repr, options))}")
        return value

    return structure


def _tuple(kind: Any):
    kinds = typing.get_args(kind)

    def structure(value: Any, _: Any) -> tuple:
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{value!r} is not a list")
        each = kinds[:1] * len(value) if kinds[1:] == (...,) else kinds
        if len(each) != len(value):
            raise ValueError(f"{list(value)} has {len(value)} values, expected {len(each)}")
        return tuple(map(_converter.structure, value, each))

    return structure


def _build() -> cattrs.Converter:
    converter = cattrs.preconf.json.make_converter(forbid_extra_keys=True)
    for kind, accepted in {bool: bool, int: int, str: str}.items():
        converter.register_structure_hook(kind, _exactly(accepted))
    converter.register_structure_hook(float, _exactly(float, int))
    converter.register_structure_hook(pathlib.Path, lambda value, _: pathlib.Path(value))
    converter.register_unstructure_hook(pathlib.Path, str)
    converter.register_structure_hook_factory(
        lambda kind: typing.get_origin(kind) is typing.Literal, _literal
    )
    converter.register_structure_hook_factory(lambda kind: typing.get_origin(kind) is tuple, _tuple)
    converter.register_unstructure_hook_factory(
        lambda kind: typing.get_origin(kind) is tuple,
        lambda _: lambda value: [_converter.unstructure(each) for each in value],
    )
    converter.register_structure_hook_factory(_is_tagged_union, _tagged_union)
    return converter


_converter = _build()
