"""`latency-lens baseline`: one small file with what a gate needs of a run."""

from __future__ import annotations

from ..errors import UsageError
from .exporting import Logging
from .gate import sampled
from .gating import Kept
from .options import Repaying, Which
from .output import check_writable
from .world import Call

EXAMPLES = """\
latency-lens baseline --output main.lens
latency-lens baseline runs/nightly --output nightly.lens"""


def baseline(call: Call, *, which: Which, kept: Kept, repaying: Repaying, _logging: Logging) -> int:
    """Make a file of a run that later runs can be held against.

    It holds times and costs of each request, which provider and model they are of, and how they
    were sent; no text, no address, no key. It is small enough to be committed.
    """
    from ..decide.baseline import encode
    from ..sinks.files import whole_file

    if kept.output is None:
        raise UsageError("--output is missing: name the file to write, such as main.lens")
    check_writable(kept.output)
    result, sample = sampled(call, which.run, repaying)
    if not sample.answers:
        raise UsageError(f"the run {result.run.id} has no request that succeeded")
    data = encode(sample)
    with whole_file(kept.output, private=False) as file:
        file.write(data)
    call.world.out.write(
        f"{kept.output}: {sample.answers:,} requests of {result.run.id}, {len(data):,} bytes\n"
    )
    if result.validity.verdict != "valid":
        call.world.err.write(
            f"latency-lens: WARNING: the run's own verdict is {result.validity.verdict}; what is"
            " held against it is held against a doubtful measurement\n"
        )
    return 0


VERB = baseline
