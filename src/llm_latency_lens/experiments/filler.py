"""Random words to fill a prompt with, for caches of prompts are asked by its beginning.

Common English words, so that most are one token each and so many words are at least so many
tokens.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from ..request import Message, Prompt

_TEXT = (
    "air arm ask bag ball bank base bed bell bird blue boat body book box boy bread bus cake "
    "call camp card care case cat chair child city class clock cloud coal coat coin cold cook "
    "corn cost cow cup dance day deal desk dinner dog door dream dress drink dust ear earth "
    "east edge egg end engine eye face fact fall farm field film fire fish flag floor flower "
    "fly food foot forest fork friend fruit game garden gate girl glass goat gold grass green "
    "hair hall hand hat head heart hill hole home horse house ice iron island jacket key king "
    "kitchen lake lamp land leaf leg letter light line lion list map market meal milk mind "
    "moon morning mountain mouth music name neck night north nose ocean oil orange paint "
    "paper park path pen piano picture plant plate poem queen rain river road rock roof room "
    "rope rose salt sand school sea seed shadow sheep ship shirt shoe shop silver sky snow "
    "song south spoon star stone story street summer sun table tea tooth town train tree "
    "uncle valley voice wall water west wheel wind window winter wood word world yard year"
)
_WORDS = _TEXT.split()


def words(count: int, seed: str) -> str:
    """So many words; the same seed gives the same."""
    return " ".join(Random(seed).choices(_WORDS, k=count))


def prefixed(prompt: Prompt, count: int, seed: str) -> Prompt:
    """The prompt with so many words before it, in its first message."""
    filler = f"{words(count, seed)}\n\nThe words above only fill the page; do not mention them."
    first, *others = prompt.messages
    return replace(prompt, messages=(_before(first, filler), *others))


def _before(message: Message, filler: str) -> Message:
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": [{"type": "text", "text": filler}, *content]}
    return {**message, "content": f"{filler}\n\n{content or ''}".rstrip()}
