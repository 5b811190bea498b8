"""Unknown extensions survive a round trip."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from odtool.pipeline.text import config

EXTENDED = """
[one.two] { x: [1, 2] y { [z.q]: "}" 'x' } } # a comment with ] and }
graph_rewriter { [foo.bar]: "hi"
  "there" [foo.baz] < a: 1 > quantization { delay: 3 } }
eval_input_reader: [{ shuffle: true external_input_reader { [my.ext] { n: 1 } } }, {}]
eval_input_reader { external_input_reader { [my.ext] { n: 5 } } }
"""


def test_unknown_extensions_are_kept_where_they_stood() -> None:
    loaded = config.parse(EXTENDED, "f")
    found = {(found.path, found.name): found.text for found in loaded.extensions}
    reader = ("external_input_reader", 0)
    assert set(found) == {
        ((), "one.two"),
        ((("graph_rewriter", 0),), "foo.bar"),
        ((("graph_rewriter", 0),), "foo.baz"),
        ((("eval_input_reader", 0), reader), "my.ext"),
        ((("eval_input_reader", 2), reader), "my.ext"),
    }
    assert found[(), "one.two"] == """[one.two] { x : [ 1 , 2 ] y { [ z.q ] : "}" 'x' } }"""
    again = config.parse(config.dump(loaded), "g")
    assert again.message == loaded.message
    assert set(again.extensions) == set(loaded.extensions)


def test_the_extension_of_a_message_that_was_cleared_goes_with_it() -> None:
    loaded = config.parse(EXTENDED, "f")
    loaded.message.ClearField("graph_rewriter")
    assert "foo.bar" not in config.dump(loaded)
    assert "one.two" in config.dump(loaded)


VALUES = st.recursive(
    st.integers(-(2**31), 2**31).map(str)
    | st.from_regex(r"[a-z_]{1,6}", fullmatch=True)
    | st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8).map(
        lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    ),
    lambda inner: st.lists(st.tuples(st.from_regex(r"[a-z]{1,4}", fullmatch=True), inner), max_size=3).map(
        lambda fields: "{ " + " ".join(f"{name}: {value}" for name, value in fields) + " }"
    ),
    max_leaves=6,
)


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_any_well_formed_extension_survives(values: list[str]) -> None:
    text = "".join(f"[some.ext{index}]: {value}\n" for index, value in enumerate(values))
    loaded = config.parse("graph_rewriter {\n" + text + "}\n" + text, "f")
    assert len(loaded.extensions) == 2 * len(values)
    again = config.parse(config.dump(loaded), "g")
    assert again.message == loaded.message
    assert set(again.extensions) == set(loaded.extensions)
