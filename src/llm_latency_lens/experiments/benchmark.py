"""Prompts under a load: the capture behind `profile` and `benchmark`, wherever it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

from .. import providers
from ..costs import budget_of, price_of
from ..engine.budget import Budget
from ..engine.capture import Captured, OnBeat, Setup, capture
from ..engine.load import Load, make_plan
from ..errors import UsageError
from ..metrics.context import Context
from ..pricing import Pricer
from ..request import Prompt
from ..store.prices import pricer_of
from .party import Party


async def capture_load(
    party: Party,
    prompts: Sequence[Prompt],
    load: Load,
    context: Context,
    *,
    handle_signals: bool = False,
    on_beat: OnBeat | None = None,
) -> Captured:
    """Send the prompts in turn, as often as the load wants it.

    Raises what `capture` does, and UsageError without a prompt.
    """
    if not prompts:
        raise UsageError("there is no prompt to send")
    keeping, network = party.keeping, party.network
    pricer = pricer_of(context, party.book)
    with ExitStack() as stack:
        # In a thread, for a cloud is asked who one is, and that takes as long as it likes.
        aim = await asyncio.to_thread(stack.enter_context, party.aim())
        plan = make_plan(
            load,
            context,
            aim.workload(prompts),
            providers.decode,
            first_token_s=network.timeouts.first_token_s,
            secrets=aim.secrets,
            budget=_budget(party, load, context, pricer),
        )
        setup = Setup(
            url=aim.build(prompts[0]).url,
            network=network,
            connections=load.get("connections", "warm"),
            raw=keeping.raw,
            run_dir=keeping.run_dir,
            keep_text=keeping.keep_text,
            count_tokens=keeping.count_tokens,
            pricer=pricer,
            streaming=keeping.streaming,
            handle_signals=handle_signals,
        )
        return await capture(plan, context, setup, on_beat=on_beat)


def _budget(party: Party, load: Load, context: Context, pricer: Pricer) -> Budget | None:
    if load.get("max_cost") is None:
        return None
    price = price_of(party.book, context.config, datetime.now(UTC))
    return budget_of(load, price, pricer, context.config, party.keeping.count_tokens)
