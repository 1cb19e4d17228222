"""Pictures of runs: a page for a browser in one file, pieces for a notebook, single charts.

Charts are Vega-Lite's. The page draws them by a script, which vl-convert-python brings along, and
is laid out by jinja2; elsewhere vl-convert-python draws them as SVG. Both are in the extra
`report`.
"""
