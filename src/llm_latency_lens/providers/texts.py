"""What a provider says about an error, made fit to be shown: one bounded line, without secrets."""

from __future__ import annotations

import re

LONGEST = 300
"""Characters of an error message that are kept."""

# Keys as the providers print them: after words that announce one, after the word Bearer, or with a
# prefix of their own. Masked ones (`sk-ab****yz`) count: the rest of them is still a secret.
KEYS = re.compile(
    r"""(?ix)
    (?P<head>
        \b(?:api[-_ ]?key|access[-_ ]?token|auth[-_ ]?token|token|authorization|secret)
        (?:\s+(?:provided|is|was))?\\?["']?\s*[:=]\s*\\?["']?(?:bearer\s+)?
        (?=[^\s"',;<>\\]*[a-z*])(?=[^\s"',;<>\\]{4})
      | \bbearer\s+(?=[^\s"',;<>\\]*[0-9*_.\-])(?=[^\s"',;<>\\]{6})
      | \b(?:sk|pk|rk|gsk|xai|hf|nvapi|pplx|csk|fw|r8|ghp|sess)[-_](?=[a-z0-9*_.\-]{6})
      | \b(?:aiza|eyj|akia|ya29\.)(?=[a-z0-9*_.\-]{12})
      | \*{4}(?=[a-z0-9*]*[a-z0-9]{2})
    )
    (?P<secret>[^\s"',;<>\\]+)
    """
)

# Validation errors of pydantic print what was sent, and that is the user's prompt.
ECHO = re.compile(r"""(?s)\\?["']?\binput(?:_value)?\\?["']?\s*[:=].*""")

_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def one_line(text: str) -> str:
    """A message in one line of at most LONGEST characters, without keys and the user's input."""
    text = KEYS.sub(r"\g<head>***", ECHO.sub("(what was sent is left out)", text))
    text = _SPACE.sub(" ", text).strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"
