"""Commands carried out in this process, in a world whose streams are kept."""

import io
from dataclasses import dataclass, field

from llm_latency_lens.cli.app import run
from llm_latency_lens.cli.world import World


@dataclass
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@dataclass
class Shell:
    """Runs commands one after the other, in this process."""

    world: World = field(default_factory=lambda: World(io.StringIO(), io.StringIO(), {}))

    def __call__(self, *args: str, **environ: str) -> Said:
        self.world.out, self.world.err = io.StringIO(), io.StringIO()
        self.world.environ = environ
        code = run(args, self.world)
        return Said(code, self.world.out.getvalue(), self.world.err.getvalue())
