"""Messages of the installed Object Detection API without TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from odtool.errors import OdtoolError
from odtool.pipeline.text import messages


def test_parsing_a_config_imports_no_tensorflow() -> None:
    code = (
        "import sys\n"
        "from odtool.pipeline.text import config\n"
        "config.dump(config.parse('model { ssd { num_classes: 1 } }', 'here'))\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('tensorflow', 'tf_keras', 'numpy')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_apis_own_import_gives_the_same_messages() -> None:
    loaded = messages.messages("ssd")
    from object_detection.protos import ssd_pb2

    assert ssd_pb2 is loaded
    assert ssd_pb2.Ssd(num_classes=3).num_classes == 3


def test_installing_twice_adds_one_hook() -> None:
    messages.install()
    before = list(sys.meta_path)
    messages.install()
    assert sys.meta_path == before


def test_every_proto_of_the_package_loads() -> None:
    import object_detection

    names = [path.stem.removesuffix("_pb2") for path in Path(object_detection.__path__[0], "protos").glob("*_pb2.py")]
    assert len(names) > 30
    for name in names:
        assert messages.messages(name).DESCRIPTOR.package == "object_detection.protos"


def test_a_missing_api_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OdtoolError, match="not installed") as caught:
        messages.install()
    assert caught.value.hint == f"Install it with: {messages.INSTALL_API}"
