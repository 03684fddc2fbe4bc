"""Sphinx settings: MyST Markdown pages, furo theme, numpydoc for docstrings. Builds offline with -W."""

from thinc_core.about import __version__

project = "thinc_core"
author = "The thinc_core authors"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"thinc_core {__version__}"
myst_heading_anchors = 3
numpydoc_show_class_members = False
