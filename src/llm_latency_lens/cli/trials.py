# ruff: noqa: RUF009  (`setting` makes a dataclass field, which ruff cannot see)
"""The settings of the experiments, beside those that they share with other commands."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import UsageError
from .candidates import Wanted, candidates
from .kinds import dollars, spans, texts, whole
from .options import Keeping, Outputs, Paying, Screen, Target, Way
from .settings import again, setting, settings_of
from .views import Following

_OF_ONE = [item for item in settings_of(Target) if item.name not in ("prompt", "prompt_file")]


@dataclass(frozen=True, slots=True)
class Contest:
    """Whom to compare."""

    words: tuple[str, ...] = setting(
        texts(),
        (),
        "The candidates, each as [NAME=][PROVIDER/]MODEL[@BASE_URL], and then what to say to them.",
        argument="CANDIDATE... PROMPT",
        words=True,
    )
    candidate: tuple[Wanted, ...] = setting(
        candidates(_OF_ONE),
        (),
        "One more candidate; may be repeated. In a file also a table with a name and settings of"
        " its own.",
    )


@dataclass(frozen=True, slots=True)
class Common:
    """What to ask all of them."""

    prompt: str | None = again(Target, "prompt", argument=None)
    prompt_file: str | None = again(Target, "prompt_file")
    operation: str = again(Target, "operation")
    max_tokens: int | None = again(Target, "max_tokens")
    temperature: float | None = again(Target, "temperature")
    extra_body: dict[str, Any] | None = again(Target, "extra_body")
    header: tuple[tuple[str, str], ...] = again(Target, "header")
    stream: bool = again(Target, "stream")

    def __post_init__(self) -> None:
        if self.prompt is not None and self.prompt_file is not None:
            raise UsageError("--prompt and --prompt-file exclude each other: give one of them")


@dataclass(frozen=True, slots=True)
class Turns:
    """How much to ask."""

    requests: int = setting(whole(1), 50, "Requests of each candidate.", shown_default="50")
    concurrency: int = setting(
        whole(1), 1, "Requests at a time, of all candidates together.", shown_default="1"
    )
    warmup: int = setting(
        whole(0), 0, "Requests of each candidate before the measured ones.", shown_default="0"
    )
    seed: int = setting(whole(0), 0, "For everything that is drawn.", shown_default="0")
    max_cost: Decimal | None = setting(
        dollars(),
        None,
        "End the run before it costs more, what is under way included.",
        shown_default="no limit",
    )


@dataclass(frozen=True, slots=True)
class Cooling:
    """How to look for cold starts."""

    idle: tuple[float, ...] = setting(
        spans(),
        (0.0, 30.0, 300.0),
        "Gaps to idle for before a request, joined by commas.",
        shown_default="0,30s,5m",
    )
    repeat: int = setting(
        whole(1), 7, "Requests of each kind; each idles through all gaps.", shown_default="7"
    )
    prefix_words: int = setting(
        whole(0),
        4500,
        "Words before a prompt that is to be cached, about as many tokens; 0 leaves the cache out.",
        shown_default="4500",
    )
    seed: int = again(Turns, "seed")
    max_cost: Decimal | None = again(Turns, "max_cost")


GROUPS: dict[str, tuple[type, ...]] = {
    "compare": (Contest, Common, Turns, Way, Paying, Keeping, Outputs, Following, Screen),
    "coldstart": (Target, Cooling, Way, Paying, Keeping, Outputs, Screen),
}
