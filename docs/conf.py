"""The site of the documentation: `make docs` builds it with Sphinx, and stops at the first warning."""

from odtool import __version__

project = "odtool"
author = "The odtool authors"
copyright = f"2026, {author}"  # noqa: A001 - the name that Sphinx reads
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
copybutton_exclude = ".linenos, .gp, .go"  # a console's prompt and output are not what people want to paste
nitpicky = False  # many types of the public names come from packages without an inventory at hand
smartquotes = False  # two hyphens are an option's beginning here
autodoc_typehints = "signature"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = "odtool"
html_static_path = ["_static"]
exclude_patterns = ["_build"]
