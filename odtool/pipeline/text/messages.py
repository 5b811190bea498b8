"""The Object Detection API's messages, built from the installed package without TensorFlow.

The package's compiled `*_pb2.py` are of a style that protobuf 4 and later refuse ("Descriptors cannot be created
directly"). Each of them holds its serialized FileDescriptorProto as the keyword `serialized_pb`, and nothing else of
them is needed: an import hook reads that constant, adds it to the default descriptor pool and lets protobuf's own
builder make the messages. The modules keep their names, so that the API's code imports the very same ones.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from odtool.errors import OdtoolError

INSTALL_API = "pip install --no-deps tf-models-official==2.20.0 tf-models-research-object-detection==2.8.0.post1"
"""What brings the Object Detection API, and the Model Garden that it imports, wherever pip cannot follow what they
require (Python 3.13, TensorFlow 2.21); what they import is required by odtool itself. The README has this line, too."""

_PACKAGE = "object_detection.protos"

_SERIALIZED = re.compile(rb"^\s*serialized_pb=(b'(?:[^'\\\n]|\\.)*'|b\"(?:[^\"\\\n]|\\.)*\")", re.MULTILINE)
"""The constant in the source. protoc writes it as one literal on one line; only that literal is evaluated, which is
ten times faster than parsing the whole module."""


def install() -> None:
    """Puts the import hook in place; a second call changes nothing.

    Raises:
        OdtoolError: the Object Detection API is not installed, or the Model Garden that it imports.
    """
    if any(isinstance(finder, _ProtoFinder) for finder in sys.meta_path):
        return
    for package in ("object_detection", "official"):
        if importlib.util.find_spec(package) is None:
            raise OdtoolError(
                f"the Object Detection API is not installed: no package '{package}'", f"Install it with: {INSTALL_API}"
            )
    sys.meta_path.insert(0, _ProtoFinder())


def messages(name: str = "pipeline") -> Any:
    """The module of one of the API's .proto files, such as 'pipeline' for pipeline_pb2."""
    install()
    return importlib.import_module(f"{_PACKAGE}.{name}_pb2")


def is_repeated(field: Any) -> bool:
    """Whether a FieldDescriptor is a list. protobuf 7 warns of `label`, 5 has no `is_repeated`."""
    return bool(field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED)


def find_messages(message: Any, kind: str, path: str) -> Iterator[tuple[str, Any]]:
    """Every message of a kind that is set below, with its path from `path` on; none within another of the kind."""
    for field, value in message.ListFields():
        if field.message_type is None or is_map(field):
            continue
        elements = enumerate(value) if is_repeated(field) else [(None, value)]
        for index, element in elements:
            below = f"{path}.{field.name}" if index is None else f"{path}.{field.name}[{index}]"
            if field.message_type.name == kind:
                yield below, element
            else:
                yield from find_messages(element, kind, below)


def is_map(field: Any) -> bool:
    """Whether a FieldDescriptor is a map, whose entries are messages of its own."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


class _ProtoFinder(MetaPathFinder):
    """Finds the API's old-style compiled protos; everything else is left to the usual finders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not (fullname.startswith(f"{_PACKAGE}.") and fullname.endswith("_pb2")):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None:
            return None
        serialized = _read_descriptor(Path(spec.origin))
        if serialized is None:  # compiled by a newer protoc: it needs no help
            return spec
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=_ProtoLoader(serialized))


class _ProtoLoader(Loader):
    """Fills a module from its serialized FileDescriptorProto."""

    def __init__(self, serialized: bytes) -> None:
        self._serialized = serialized

    def exec_module(self, module: ModuleType) -> None:
        from google.protobuf import descriptor_pb2, descriptor_pool
        from google.protobuf.internal import builder

        for dependency in descriptor_pb2.FileDescriptorProto.FromString(self._serialized).dependency:
            importlib.import_module(dependency.removesuffix(".proto").replace("/", ".") + "_pb2")
        descriptor = descriptor_pool.Default().AddSerializedFile(self._serialized)
        contents = vars(module)
        contents["DESCRIPTOR"] = descriptor
        builder.BuildMessageAndEnumDescriptors(descriptor, contents)
        builder.BuildTopDescriptorsAndMessages(descriptor, module.__name__, contents)


def _read_descriptor(path: Path) -> bytes | None:
    """The bytes of `serialized_pb` in an old-style module, or None where there is none."""
    if match := _SERIALIZED.search(path.read_bytes()):
        literal = ast.literal_eval(match[1].decode("ascii"))
        assert isinstance(literal, bytes)
        return literal
    return None
