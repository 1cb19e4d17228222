"""Values as they are written in options: durations, shares, and distributions of either.

    200ms                 always 200 ms (also written constant:200ms)
    lognormal:200ms,0.3   mean 200 ms; 0.3 is the standard deviation of the logarithm
    gamma:20ms,0.5        mean 20 ms; 0.5 is the standard deviation divided by the mean
    list:18ms/20ms/95ms   one of these, each as likely
    file:gaps.txt         one of the file's values: one a line, in ms where it is a time

Distributions of counts are written the same way without units (`lognormal:64,0.5`).
Everything parsed here prints as a text that parses to the same value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from ..clock import MS_NS, SECOND_NS
from ..errors import UsageError

_UNITS = {"s": SECOND_NS, "ms": MS_NS, "us": 1000, "ns": 1}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+) *(s|ms|us|ns)")


def parse_duration(text: str) -> int:
    """Nanoseconds of a text such as `1.5s`, `200ms`, `20us` or `0`."""
    if text.strip() == "0":
        return 0
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"'{text}' is not a duration: write a number and ns, us, ms or s")
    return round(float(match[1]) * _UNITS[match[2]])


def format_duration(ns: float) -> str:
    """The shortest exact text for a whole number of nanoseconds."""
    whole = round(ns)
    if whole == 0:
        return "0"
    for unit, scale in _UNITS.items():
        if whole % scale == 0:
            return f"{whole // scale}{unit}"
    raise AssertionError("every whole number of nanoseconds is a multiple of one")


def parse_count(text: str) -> float:
    """A number of 0 or more, e.g. of tokens."""
    try:
        value = float(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a number") from None
    if not math.isfinite(value) or value < 0:
        raise UsageError(f"'{text}' is not a number of 0 or more")
    return value


def format_number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def parse_ratio(text: str) -> float:
    """A ratio of 0 or more, written `5%` or `0.05`."""
    percent = text.strip().endswith("%")
    return parse_count(text.strip().removesuffix("%")) / (100 if percent else 1)


def parse_share(text: str) -> float:
    """A ratio of at most 1: a probability."""
    value = parse_ratio(text)
    if value > 1:
        raise UsageError(f"'{text}' is more than 100%")
    return value


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a distribution is of: how its values are read and printed."""

    name: str
    parse: Callable[[str], float]
    format: Callable[[float], str]
    per_line: float
    """What a number in a file stands for."""


TIME = Quantity("a time", parse_duration, format_duration, MS_NS)
COUNT = Quantity("a count", parse_count, format_number, 1)


@dataclass(frozen=True, slots=True)
class Dist:
    """A distribution of durations (in ns) or counts. Build one by `Dist.parse` or a classmethod."""

    shape: str
    mean: float
    spread: float = 0.0
    values: tuple[float, ...] = field(default=(), repr=False)
    path: str | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and self.mean >= 0):
            raise UsageError(f"the mean of a distribution cannot be {self.mean}")
        if not (math.isfinite(self.spread) and 0 <= self.spread <= 10):
            raise UsageError(f"the spread of a distribution is from 0 to 10, not {self.spread}")

    @classmethod
    def constant(cls, value: float) -> Dist:
        return cls("constant", value)

    @classmethod
    def lognormal(cls, mean: float, sigma: float) -> Dist:
        """`sigma` is the standard deviation of the logarithm; `mean` is the mean itself."""
        return cls("lognormal", mean, sigma) if mean and sigma else cls.constant(mean)

    @classmethod
    def gamma(cls, mean: float, cv: float) -> Dist:
        """`cv` is the standard deviation divided by the mean."""
        return cls("gamma", mean, cv) if mean and cv else cls.constant(mean)

    @classmethod
    def empirical(cls, values: tuple[float, ...], path: str | None = None) -> Dist:
        if not values:
            raise UsageError(f"{path or 'the list'} holds no values to draw from")
        return cls("empirical", sum(values) / len(values), 0.0, values, path)

    @classmethod
    def parse(cls, text: str, of: Quantity) -> Dist:
        shape, colon, rest = text.partition(":")
        match shape.strip() if colon else "constant":
            case "constant":
                return cls.constant(of.parse(rest if colon else text))
            case "lognormal" | "gamma" as kind:
                mean, comma, spread = rest.partition(",")
                if not comma:
                    raise UsageError(f"'{text}' lacks its spread: write {kind}:MEAN,SPREAD")
                build = cls.lognormal if kind == "lognormal" else cls.gamma
                return build(of.parse(mean), parse_count(spread))
            case "list":
                return cls.empirical(tuple(of.parse(part) for part in rest.split("/")))
            case "file":
                path = Path(rest).expanduser().absolute()
                return cls.empirical(_read_values(path, of), str(path))
        raise UsageError(
            f"'{text}' is not a distribution: write {of.name}, "
            "lognormal:MEAN,SIGMA, gamma:MEAN,CV, list:A/B/C or file:PATH"
        )

    def format(self, of: Quantity) -> str:
        if self.shape == "constant":
            return of.format(self.mean)
        if self.path is not None:
            return f"file:{self.path}"
        if self.shape == "empirical":
            return "list:" + "/".join(of.format(value) for value in self.values)
        return f"{self.shape}:{of.format(self.mean)},{format_number(self.spread)}"

    def samples(self, rng: Random, n: int) -> list[float]:
        """`n` independent values."""
        if self.shape == "constant":
            return [self.mean] * n
        if self.shape == "empirical":
            return rng.choices(self.values, k=n)
        if self.shape == "gamma":
            scale = self.mean * self.spread**2
            draw = rng.gammavariate
            return [draw(self.spread**-2, scale) for _ in range(n)]
        mu = math.log(self.mean) - self.spread**2 / 2
        exp, gauss, sigma = math.exp, rng.gauss, self.spread
        return [exp(gauss(mu, sigma)) for _ in range(n)]

    def sample(self, rng: Random) -> float:
        return self.samples(rng, 1)[0]


def _read_values(path: Path, of: Quantity) -> tuple[float, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text") from error
    values = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                values.append(parse_count(line) * of.per_line)
            except UsageError as error:
                raise UsageError(f"{path}:{number}: {error}") from error
    if not values:
        raise UsageError(f"{path} holds no values to draw from")
    return tuple(values)
