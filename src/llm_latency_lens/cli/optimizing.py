# ruff: noqa: RUF009  (`setting` makes a dataclass field, which ruff cannot see)
"""The settings of `optimize`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from ..errors import UsageError
from .candidates import Wanted
from .kinds import Kind, UnfitError, choice, dollars, number, switch, text, texts, whole
from .options import Keeping, Paying, Screen, Way
from .settings import again, setting
from .trials import Common, Contest, Turns


def _weights() -> Kind:
    """Criteria with what each counts for: a table, or NAME=NUMBER several times."""
    one = number(0)

    def read(value: object) -> tuple[tuple[str, float], ...]:
        if isinstance(value, Mapping):
            return tuple((str(name), one.read(weight)) for name, weight in value.items())
        lines = value if isinstance(value, list | tuple) else str(value).splitlines()
        found = []
        for line in lines:
            name, sign, weight = str(line).partition("=")
            if not sign or not name.strip():
                raise UnfitError(f"must be given as NAME=NUMBER, such as cost=2, not '{line}'")
            found.append((name.strip(), one.read(weight)))
        return tuple(found)

    schema = {
        "type": ["object", "array", "string"],
        "items": {"type": "string"},
        "additionalProperties": one.schema,
    }
    return Kind("NAME=NUMBER", read, schema, many=True)


@dataclass(frozen=True, slots=True)
class Whom:
    """Whom to choose from."""

    words: tuple[str, ...] = setting(
        texts(),
        (),
        "Kept runs, each as [NAME=]RUN, where RUN is as for `report`; of a comparison each"
        " candidate is one; without any, `latest`. With --measure: candidates and what to say to"
        " them, as for `compare`.",
        argument="RUN... | CANDIDATE... PROMPT",
        words=True,
    )
    candidate: tuple[Wanted, ...] = again(Contest, "candidate")
    scores: str | None = setting(
        text("FILE"),
        None,
        "Figures of your own, such as quality: CSV with a line for each candidate, its name first,"
        " and a line of names above.",
    )
    current: str | None = setting(
        text("NAME"), None, "The candidate in use: tell what a change would save."
    )


@dataclass(frozen=True, slots=True)
class Wishing:
    """What is wanted."""

    require: tuple[str, ...] = setting(
        texts(), (), "A limit that must be kept, such as 'ttft_ms.p95<800'. May be repeated."
    )
    minimise: tuple[str, ...] = setting(
        texts(), (), "A figure that should be low, such as cost or ttft_ms.p95. May be repeated."
    )
    maximise: tuple[str, ...] = setting(
        texts(),
        (),
        "A figure that should be high, such as output_tokens_per_second. May be repeated.",
    )
    weight: tuple[tuple[str, float], ...] = setting(
        _weights(), (), "What a figure counts for beside the others. May be repeated.",
        shown_default="1",
    )  # fmt: skip
    profile: str | None = setting(
        choice("interactive", "batch", "cheapest"),
        None,
        "A usual set of figures with their weights, which the other flags add to.",
        shown_default="interactive, where no figure is named",
    )
    confidence: float = setting(
        number(0.5, above=True),
        0.95,
        "Share of the resamples that must give the same answer.",
        shown_default="0.95",
    )

    def __post_init__(self) -> None:
        if not self.confidence < 1.0:
            raise UsageError(f"--confidence must be below 1, not {self.confidence:g}")


@dataclass(frozen=True, slots=True)
class Measuring:
    """How to measure."""

    measure: bool = setting(
        switch(),
        False,
        "Measure the candidates in rounds, each only as long as it can still change the answer.",
    )
    max_requests: int = setting(
        whole(2), 2000, "Requests at most, of all candidates together.", shown_default="2000"
    )
    max_cost: Decimal | None = setting(
        dollars(), None, "End before it costs more, of all candidates together.",
        shown_default="no limit",
    )  # fmt: skip
    concurrency: int = again(Turns, "concurrency")
    seed: int = again(Turns, "seed")


@dataclass(frozen=True, slots=True)
class Decisions:
    """What comes out."""

    output: str | None = setting(
        text("FILE"), None, "The decision as JSON; - prints it in place of the table."
    )
    markdown: str | None = setting(
        text("FILE"), None, "The decision as Markdown; - prints it in place of the table."
    )
    picture: str | None = setting(
        text("FILE"), None, "The candidates by the two figures that count most, as SVG."
    )
    litellm: str | None = setting(
        text("FILE"), None, "A configuration of LiteLLM's proxy: the first, and its fallbacks."
    )

    def __post_init__(self) -> None:
        if self.output == "-" and self.markdown == "-":
            raise UsageError("--output - and --markdown - exclude each other: one can be printed")


GROUPS: dict[str, tuple[type, ...]] = {
    "optimize": (Whom, Wishing, Measuring, Common, Way, Paying, Keeping, Decisions, Screen),
}
