# ruff: noqa: RUF009  (`setting` makes a dataclass field, which ruff cannot see)
"""The settings of commands, once. Flags, variables, keys of the configuration file, their
checks and their reference pages are made from the fields below; the first line of a docstring is
the heading under which `--help` shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import UsageError
from .kinds import (
    choice,
    dollars,
    headers,
    json_object,
    number,
    objectives,
    span,
    switch,
    text,
    urls,
    whole,
    wholes,
)
from .settings import setting

DEFAULT_REQUESTS = 100
DEFAULT_PROVIDER = "openai"


@dataclass(frozen=True, slots=True)
class Target:
    """What to ask."""

    provider: str | None = setting(
        text("NAME"),
        None,
        "Whose API to speak; see `latency-lens providers`.",
        shown_default="the part of MODEL before its first slash, or openai",
    )
    model: str | None = setting(
        text(),
        None,
        "The model's name, as the provider knows it.",
        argument="[PROVIDER/]MODEL",
    )
    prompt: str | None = setting(
        text(), None, "What to say.", argument="PROMPT", rivals=("prompt_file",)
    )
    prompt_file: str | None = setting(
        text("FILE"),
        None,
        "Prompts, one a line or as JSON lines; - reads standard input.",
    )
    base_url: str | None = setting(
        text("URL"),
        None,
        "Where the API is.",
        shown_default="the provider's own variable, such as OPENAI_BASE_URL, then its address",
    )
    api_key: str | None = setting(
        text("KEY"),
        None,
        "The key; `none` for a server that wants none. A variable or a file keeps it out of the"
        " shell's history.",
        shown_default="the provider's own variable, such as OPENAI_API_KEY",
        rivals=("api_key_file",),
    )
    api_key_file: str | None = setting(
        text("FILE"), None, "A file that holds the key and nothing else."
    )
    operation: str = setting(
        choice("chat", "embeddings", "rerank"),
        "chat",
        "What to ask for; the last two are answered in one piece.",
        shown_default="chat",
    )
    region: str | None = setting(
        text(),
        None,
        "The cloud's region, for Bedrock and Vertex AI.",
        shown_default="the cloud's own variable, such as AWS_REGION",
    )
    project: str | None = setting(
        text(),
        None,
        "The cloud's project, for Vertex AI.",
        shown_default="GOOGLE_CLOUD_PROJECT, then that of the credentials",
    )
    api_version: str | None = setting(
        text(),
        None,
        "The version of the API in the address, for Azure OpenAI.",
        shown_default="OPENAI_API_VERSION; without one, the v1 API",
    )
    aws_profile: str | None = setting(
        text("NAME"), None, "Whose AWS keys to use.", shown_default="AWS_PROFILE"
    )
    max_tokens: int | None = setting(whole(1), None, "The most tokens that may come back.")
    temperature: float | None = setting(number(0), None, "The sampling temperature.")
    extra_body: dict[str, Any] | None = setting(
        json_object(), None, "More fields for the body of each request."
    )
    header: tuple[tuple[str, str], ...] = setting(
        headers(), (), "One more header for each request; may be repeated."
    )
    stream: bool = setting(
        switch(),
        True,
        "Ask for a stream, or for the answer in one piece.",
        negative=True,
        shown_default="--stream",
    )

    def __post_init__(self) -> None:
        if self.prompt is not None and self.prompt_file is not None:
            raise UsageError("--prompt and --prompt-file exclude each other: give one of them")
        if self.api_key is not None and self.api_key_file is not None:
            raise UsageError("--api-key and --api-key-file exclude each other: give one of them")


@dataclass(frozen=True, slots=True)
class Way:
    """The way to the server."""

    connect_timeout: float | None = setting(
        span(endless=True), 10.0, "Limit for name, connection and TLS.", shown_default="10s"
    )
    first_token_timeout: float | None = setting(
        span(endless=True), None, "Limit from start to first token.", shown_default="none"
    )
    idle_timeout: float | None = setting(
        span(endless=True), 120.0, "Limit for a silence within an answer.", shown_default="2m"
    )
    timeout: float | None = setting(
        span(endless=True), 600.0, "Limit for a whole request.", shown_default="10m"
    )
    ca_file: str | None = setting(
        text("FILE"), None, "Certificates to trust in place of the usual ones (PEM)."
    )
    cert: str | None = setting(text("FILE"), None, "A client certificate (PEM).")
    key: str | None = setting(text("FILE"), None, "The client certificate's key (PEM).")
    insecure: bool = setting(switch(), False, "Trust any certificate.")
    tls_resume: bool = setting(
        switch(), False, "Take up the last TLS session in each handshake, as a returning client."
    )
    proxy: str = setting(
        text("URL"),
        "env",
        "A proxy; `env` reads HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.",
        shown_default="env",
        rivals=("no_proxy",),
    )
    no_proxy: bool = setting(switch(), False, "Go straight to the server.")
    unix_socket: str | None = setting(
        text("PATH"), None, "Connect to this socket file in place of the host and port."
    )

    def __post_init__(self) -> None:
        if self.key is not None and self.cert is None:
            raise UsageError("--key needs --cert: a key alone is no certificate")
        if self.insecure and self.ca_file is not None:
            raise UsageError("--insecure and --ca-file exclude each other")


@dataclass(frozen=True, slots=True)
class Load:
    """How much to send, and when."""

    requests: int | None = setting(
        whole(1),
        None,
        "End after this many requests.",
        shown_default=f"{DEFAULT_REQUESTS}, without --duration",
    )
    duration: float | None = setting(
        span(), None, "End after this time, for example 30s, 5m or 1h30m."
    )
    concurrency: int | None = setting(
        whole(1),
        None,
        "Closed loop: so many requests at a time, each sent when one has ended.",
        shown_default="1, without --rate",
        rivals=("rate", "arrival", "max_concurrency"),
    )
    rate: float | None = setting(
        number(0, above=True, metavar="PER_SECOND"),
        None,
        "Open loop: send by the clock, so many requests a second, whatever the answers do.",
    )
    arrival: str | None = setting(
        choice("constant", "poisson"),
        None,
        "Open loop: distances between requests.",
        shown_default="constant",
    )
    max_concurrency: int | None = setting(
        whole(1),
        None,
        "Open loop: the most requests at a time; waiting for a place is send lag.",
        shown_default="no limit",
    )
    warmup: int = setting(whole(0), 0, "Requests sent before the measured ones.", shown_default="0")
    seed: int = setting(whole(0), 0, "For everything that is drawn.", shown_default="0")
    connections: str = setting(
        choice("warm", "cold"),
        "warm",
        "Open before the clock starts, or anew for each request.",
        shown_default="warm",
    )
    retries: int = setting(
        whole(0),
        0,
        "Send a failed request again; counted, never part of a latency.",
        shown_default="0",
    )
    objective: tuple[str, ...] = setting(
        objectives(),
        (),
        "A limit for each request, such as 'ttft_ms<800'; the requests a second that keep all are"
        " the goodput. May be repeated.",
    )
    grace: float = setting(
        span(zero=True),
        5.0,
        "How long the first Ctrl-C lets running requests go on.",
        shown_default="5s",
    )
    max_cost: Decimal | None = setting(
        dollars(),
        None,
        "End the run before it costs more, what is under way, warm-up and retries included.",
        shown_default="no limit",
    )
    respect_rate_limits: bool = setting(
        switch(),
        False,
        "Open loop: wait while the provider's rate limit says so, and say what waited.",
    )

    def __post_init__(self) -> None:
        if self.rate is not None and self.concurrency is not None:
            raise UsageError(
                "--rate and --concurrency exclude each other: --rate sends by the clock (limit it"
                " with --max-concurrency), --concurrency when an answer has ended"
            )
        if self.rate is None and self.max_concurrency is not None:
            raise UsageError("--max-concurrency belongs to --rate: without it give --concurrency")
        if self.rate is None and self.respect_rate_limits:
            raise UsageError("--respect-rate-limits belongs to --rate: it holds arrivals back")
        if self.rate is None and self.arrival is not None:
            raise UsageError("--arrival belongs to --rate: without it nothing is sent by the clock")


@dataclass(frozen=True, slots=True)
class Paying:
    """What it costs."""

    prices: str | None = setting(
        text("FILE"),
        None,
        "Private prices, in TOML, YAML or JSON; they come before the public list.",
    )
    batch_prices: bool = setting(
        switch(), False, "Reckon what the same requests would cost in a batch."
    )


@dataclass(frozen=True, slots=True)
class Repaying:
    """What it costs."""

    prices: str | None = setting(
        text("FILE"),
        None,
        "Private prices. On the command line they replace the prices that were kept with the run;"
        " from elsewhere they are for runs that kept none.",
    )


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept and passed on."""

    run_dir: str | None = setting(
        text("DIR"),
        None,
        "Where runs are kept.",
        shown_default="the user's data folder; LATENCY_LENS_HOME changes it",
    )
    raw: str = setting(
        choice("full", "redacted", "off"),
        "full",
        "What the run keeps of the answers: all, all but their text, or records only.",
        shown_default="full",
    )
    name: str | None = setting(text("NAME"), None, "A name for the run.")
    stream_to: tuple[str, ...] = setting(
        urls(),
        (),
        "Send each request there when it has ended, while the run goes on; may be repeated.",
    )


@dataclass(frozen=True, slots=True)
class Outputs:
    """What comes out."""

    output: str | None = setting(
        text("FILE"), None, "The result as JSON; - prints it in place of the table."
    )
    records: str | None = setting(
        text("FILE"), None, "One JSON line for each request; - prints them in place of the table."
    )
    keep_text: bool = setting(
        switch(), False, "Put prompts and answers into what is written; they are private."
    )
    tokenizer: str | None = setting(
        text("PATH"),
        None,
        "A tokenizer.json, or its folder, to count tokens where the server reports no usage.",
    )

    def __post_init__(self) -> None:
        if self.output == "-" and self.records == "-":
            raise UsageError("--output - and --records - exclude each other: one can be printed")


@dataclass(frozen=True, slots=True)
class Screen:
    """What is shown."""

    quiet: bool = setting(switch(), False, "No progress, only results and errors.")
    no_color: bool = setting(switch(), False, "No colours; NO_COLOR does the same.")
    log_level: str = setting(
        choice("debug", "info", "warning", "error"),
        "warning",
        "How much to log, to standard error.",
        shown_default="warning",
    )
    config: str | None = setting(
        text("FILE"), None, "Settings from a TOML or YAML file; flags and variables come first."
    )


@dataclass(frozen=True, slots=True)
class Watching:
    """The answer."""

    show_text: bool = setting(switch(), False, "Print the answer as it arrives.")


@dataclass(frozen=True, slots=True)
class Which:
    """Which run."""

    run: str = setting(
        text("RUN"),
        "latest",
        "A run's directory, its id or the beginning of one, a folder of runs (its newest), or"
        " `latest`.",
        argument="RUN",
        shown_default="latest",
    )


@dataclass(frozen=True, slots=True)
class Serving:
    """Where the simulator listens."""

    host: str = setting(text("ADDRESS"), "127.0.0.1", "The address.", shown_default="127.0.0.1")
    port: int = setting(whole(0), 8010, "The port; 0 takes a free one.", shown_default="8010")
    unix_socket: str | None = setting(
        text("PATH"), None, "A socket file in place of address and port."
    )
    cert: str | None = setting(text("FILE"), None, "Serve TLS with this certificate (PEM).")
    key: str | None = setting(text("FILE"), None, "The certificate's key (PEM).")
    api_key: str | None = setting(text("KEY"), None, "Refuse requests without this key.")
    send_log: str | None = setting(
        text("FILE"), None, "Write when each event was sent, one JSON line a request."
    )

    def __post_init__(self) -> None:
        if (self.key is None) != (self.cert is None):
            raise UsageError("--cert and --key belong together")


@dataclass(frozen=True, slots=True)
class Showing:
    """What to show."""

    compare: bool = setting(
        switch(), False, "Compare several simulated providers, each with a wire format of its own."
    )


@dataclass(frozen=True, slots=True)
class Levels:
    """How far to go."""

    streams: tuple[int, ...] | None = setting(
        wholes(1),
        None,
        "Numbers of concurrent streams to measure at, joined by commas.",
        shown_default="1,10,100,500,1000",
    )


@dataclass(frozen=True, slots=True)
class Saved:
    """What comes out."""

    output: str | None = setting(
        text("FILE"), None, "The same as JSON; - prints it in place of the table."
    )


@dataclass(frozen=True, slots=True)
class Shape:
    """How it is printed."""

    json: bool = setting(switch(), False, "As JSON.")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which of them."""

    action: str = setting(
        choice("list", "check"),
        "list",
        "List them, or send one tiny request to each that has a key.",
        argument="[list|check]",
        shown_default="list",
    )
    provider: str | None = setting(text("NAME"), None, "This one alone.")
    model: str | None = setting(
        text(),
        None,
        "What to ask of it, with --provider.",
        shown_default="a model of little cost",
    )
    timeout: float | None = setting(
        span(endless=True), 30.0, "Limit for each request.", shown_default="30s"
    )


@dataclass(frozen=True, slots=True)
class Listing:
    """Which prices."""

    action: str = setting(
        choice("list", "show", "update"),
        "list",
        "List providers, or the models of one; show a model's prices; fetch today's list.",
        argument="[list|show|update]",
        shown_default="list",
    )
    of: str | None = setting(text(), None, "Whose prices.", argument="[PROVIDER[/MODEL]]")
    prices: str | None = setting(
        text("FILE"), None, "Private prices; they come before the public list."
    )
    url: str | None = setting(
        text("URL"),
        None,
        "Where to fetch the list.",
        shown_default="where the authors of genai-prices publish it",
    )
    timeout: float | None = setting(
        span(endless=True), 30.0, "Limit for fetching it.", shown_default="30s"
    )


@dataclass(frozen=True, slots=True)
class Checked:
    """What to check."""

    file: str | None = setting(
        text("FILE"),
        None,
        "A configuration, service levels, a suite, or a monitor's file.",
        argument="FILE",
    )
