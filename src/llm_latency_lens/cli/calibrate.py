"""`latency-lens calibrate`: how far the instrument is off, on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..report.figures import short
from .options import Levels, Saved, Screen
from .output import check_writable, prints_table, write_to
from .world import Call

if TYPE_CHECKING:
    from ..experiments.certificate import Certificate, Level

EXAMPLES = """\
latency-lens calibrate
latency-lens calibrate --streams 1,50,200 --output certificate.json"""

_TITLES = ("streams", "tokens/s", "TTFT p50", "p99", "max", "gap p50", "p99", "max", "CPU/token")
_WIDTH = 10


def calibrate(call: Call, *, levels: Levels, saved: Saved, screen: Screen) -> int:
    """Measure the instrument's own error at rising load, and keep it as this machine's certificate.

    A simulated provider logs when it sends each token; the difference to what was measured is the
    error. Later results name the newest certificate.
    """
    import msgspec

    world = call.world
    check_writable(saved.output)
    chosen = {"streams": levels.streams} if levels.streams else {}
    tell = None if screen.quiet else lambda level: world.err.write(f"{_progress(level)}\n")
    certificate = world.calibrate(on_level=tell, **chosen)
    text = msgspec.json.format(msgspec.json.encode(certificate), indent=2).decode() + "\n"
    if saved.output is not None:
        write_to(saved.output, world.out, lambda file: file.write(text))
    if prints_table(saved.output):
        world.out.write(table(certificate))
    return 0


def table(certificate: Certificate) -> str:
    """The certificate for people; errors in microseconds."""
    lines = ["Error against the server's own send times, in us", "", _row(_TITLES)]
    lines += [_row(_cells(level)) for level in certificate.levels]
    limit = f"{certificate.limit_us / 1000:g} ms"
    rate = certificate.max_events_per_second
    lines += [
        "",
        f"The p99 error stays under {limit} up to {rate:,.0f} tokens a second."
        if rate is not None
        else f"The p99 error is above {limit} at every load that was tried.",
        f"Stamps by {_BY[certificate.clock_source]}; the clock resolves"
        f" {certificate.clock_resolution_ns} ns.",
    ]
    return "\n".join(lines) + "\n"


_BY = {
    "kernel": "the kernel",
    "user": "this program, not the kernel",
    "mixed": "the kernel for some, by this program for others",
}


def _cells(level: Level) -> tuple[str, ...]:
    numbers = (
        level.events_per_second,
        level.ttft_error_us_p50,
        level.ttft_error_us_p99,
        level.ttft_error_us_max,
        level.gap_error_us_p50,
        level.gap_error_us_p99,
        level.gap_error_us_max,
        level.cpu_us_per_event,
    )
    return (f"{level.streams:,}", *map(short, numbers))


def _row(cells: tuple[str, ...]) -> str:
    return "".join(cell.rjust(_WIDTH) for cell in cells)


def _progress(level: Level) -> str:
    return (
        f"{level.streams:,} streams: p99 error {level.gap_error_us_p99:,.0f} us at"
        f" {level.events_per_second:,.0f} tokens a second"
    )


VERB = calibrate
