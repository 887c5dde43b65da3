"""How Sphinx makes the documentation: ``sphinx-build -W docs DIRECTORY``, with the extra ``docs``."""

from unionfs import __version__

project = "unionfs"
release = __version__
html_title = f"unionfs {release}"
html_theme = "furo"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_argparse_cli",
    "sphinx_copybutton",
]

exclude_patterns = ["_build"]
myst_heading_anchors = 3

# In docstrings a name in single backticks is code, whether it is documented or not.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = {
    "AnyPath": "AnyPath",
    "Path": "Path",
    "LayerLike": "LayerLike",
    "UpperLike": "UpperLike",
}

copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
