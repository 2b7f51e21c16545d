"""Sphinx's settings for the documentation site: ``python3 make.py site``.

The source folder is the checkout, so that the Markdown links that work on GitHub work here too.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

ROOT = Path(__file__).resolve().parents[2]

project = "Mekong early warning"
author = "The authors of Mekong early warning"
extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc", "sphinx.ext.viewcode"]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "data/reference/README.md",
    "docs/**",
    "notebooks/*.ipynb",
]
_PARTS = {part.split("/")[0] for part in include_patterns}
exclude_patterns = [path.name for path in ROOT.iterdir() if path.name not in _PARTS]
exclude_patterns += [
    f"data/{path.name}" for path in (ROOT / "data").iterdir() if path.name != "reference"
]
nitpicky = True

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"

autodoc_member_order = "bysource"
autodoc_typehints = "none"
add_module_names = False
numpydoc_show_class_members = False
nitpick_ignore_regex = [("py:.*", r"(?!pipeline|models).*")]  # other projects' names: no pages here

html_theme = "pydata_sphinx_theme"
html_title = project
html_extra_path = ["root"]
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_sidebars: dict[str, list[str]] = {"docs/tutorial": [], "docs/contributing": []}
html_math_renderer = "mathml"
html_theme_options = {"logo": {"text": project}, "show_toc_level": 2}


def show_equation(self: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    """Write an equation as MathML, which browsers lay out without a script or a font."""
    block = isinstance(node, nodes.math_block)
    self.body.append(tex2mathml(node.astext(), as_block=block))
    raise nodes.SkipNode


def link_folders(app: Sphinx, doctree: nodes.document) -> None:
    """Lead a link to a folder of the checkout to its README, or leave its name as text."""
    env = app.env
    for node in list(doctree.findall(pending_xref)):
        folder = Path(env.doc2path(env.docname)).parent / node["reftarget"]
        if node["reftype"] != "myst" or not folder.is_dir():
            continue
        page = env.path2doc(str(folder.resolve() / "README.md"))
        if page in env.found_docs:
            node["refdomain"], node["reftarget"], node["reftargetid"] = "doc", page, None
        else:
            node.replace_self(node.children)


def setup(app: Sphinx) -> None:
    """Add the renderer of equations."""
    app.add_html_math_renderer(
        "mathml", inline_renderers=(show_equation, None), block_renderers=(show_equation, None)
    )
    app.connect("doctree-read", link_folders)
