"""The colours of the style sheet, for what is shown or drawn elsewhere than on the page."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Literal

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")

_DARK = (
    'body[data-jp-theme-light="false"]',  # JupyterLab, Notebook 7
    'html[theme="dark"]',  # Colab
    'body[data-theme="dark"]',  # Furo and other themes of Sphinx
    "body.vscode-dark",
    "body.vscode-high-contrast",
)
"""Where notebooks say that they are dark."""
_SAID = (":not([data-jp-theme-light])", ":not([data-theme])", ":not(.vscode-light)")
"""A body that says nothing of its colours: the browser's preference holds."""


def asset(name: str) -> str:
    """A file beside this one."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def colors(theme: Theme) -> dict[str, str]:
    """Each variable of the style sheet, without its dashes, with its value."""
    block = re.search(rf':root\[data-theme="{theme}"\] \{{(.*?)\}}', asset("page.css"), re.S)
    assert block is not None
    return dict(re.findall(r"--(\w+): ([^;]+);", block[1]))


@cache
def fragment_style() -> str:
    """The style sheet of a piece of HTML that a notebook shows; it touches nothing else there.

    The class stands twice in its rules, to come before what notebooks say of tables.
    """
    dark = _variables("dark")
    quiet = f"html:not([theme]) body{''.join(_SAID)} .latency-lens"
    return "\n".join(
        (
            f".latency-lens {{ color-scheme: light; {_variables('light')} }}",
            f"{', '.join(f'{said} .latency-lens' for said in _DARK)}"
            f" {{ color-scheme: dark; {dark} }}",
            f"@media (prefers-color-scheme: dark) {{ {quiet} {{ color-scheme: dark; {dark} }} }}",
            asset("fragment.css"),
        )
    )


def resolved(text: str, theme: Theme) -> str:
    """The text with colours in place of the names of variables."""
    known = colors(theme)
    return re.sub(r"var\(--(\w+)\)", lambda found: known[found[1]], text)


def _variables(theme: Theme) -> str:
    return " ".join(f"--{name}: {value};" for name, value in colors(theme).items())
