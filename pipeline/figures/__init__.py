"""The drawing code: figures as SVG for pages, bulletins, notebooks and reports."""
