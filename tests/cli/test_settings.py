import pytest

from llm_latency_lens.cli.commands import COMMANDS, groups_of
from llm_latency_lens.cli.config import Entry
from llm_latency_lens.cli.options import Load, Target, Way
from llm_latency_lens.cli.settings import Source, build, choose, placed_name, settings_of
from llm_latency_lens.errors import ConfigError, UsageError

LOAD = settings_of(Load)
TARGET = settings_of(Target)


def test_flag_then_environment_then_file_then_default():
    file = [Entry(None, "concurrency", 2, 1), Entry(None, "seed", 9, 2)]
    environ = {"LATENCY_LENS_CONCURRENCY": "3", "LATENCY_LENS_WARMUP": "4"}
    chosen = choose(LOAD, {"concurrency": "5"}, environ, file, "f")
    values = {name: chosen[name].value for name in ("concurrency", "warmup", "seed", "retries")}
    assert values == {"concurrency": 5, "warmup": 4, "seed": 9, "retries": 0}
    assert [chosen[name].source for name in values] == list(Source)


def test_an_empty_variable_is_none():
    environ = {"LATENCY_LENS_SEED": ""}
    assert choose(LOAD, {}, environ)["seed"].source is Source.DEFAULT


def test_a_mistake_names_where_it_was_made():
    with pytest.raises(UsageError, match=r"^--seed must be a whole number, not 'x'$"):
        choose(LOAD, {"seed": "x"}, {})
    with pytest.raises(UsageError, match=r"^LATENCY_LENS_SEED must be a whole number"):
        choose(LOAD, {}, {"LATENCY_LENS_SEED": "x"})
    with pytest.raises(ConfigError, match=r"^f:7: max-concurrency must be at least 1"):
        choose(LOAD, {}, {}, [Entry(None, "max-concurrency", 0, 7)], "f")


def test_by_place_or_by_flag_but_not_both():
    (model,) = (item for item in TARGET if item.name == "model")
    assert choose(TARGET, {placed_name(model): "m"}, {})["model"].value == "m"
    environ = {"LATENCY_LENS_MODEL": "other"}
    assert choose(TARGET, {placed_name(model): "m"}, environ)["model"].value == "m"
    with pytest.raises(UsageError, match=r"model is given twice: as \[PROVIDER/\]MODEL and with"):
        choose(TARGET, {placed_name(model): "m", "model": "m"}, {})


def test_of_two_rivals_the_nearer_stands():
    file = [Entry(None, "rate", 5, 1), Entry(None, "arrival", "poisson", 2)]
    chosen = choose(LOAD, {"concurrency": "4"}, {}, file, "f")
    load = build(Load, chosen)
    assert (load.concurrency, load.rate, load.arrival) == (4, None, None)
    chosen = choose(LOAD, {"rate": "4"}, {"LATENCY_LENS_CONCURRENCY": "3"})
    assert build(Load, chosen).concurrency is None


@pytest.mark.parametrize(
    ("group", "flags", "message"),
    [
        (Load, {"rate": "1", "concurrency": "1"}, "--rate and --concurrency exclude each other"),
        (Load, {"max_concurrency": "1"}, "--max-concurrency belongs to --rate"),
        (Load, {"respect_rate_limits": True}, "--respect-rate-limits belongs to --rate"),
        (Load, {"arrival": "poisson"}, "--arrival belongs to --rate"),
        (Target, {"prompt": "a", "prompt_file": "b"}, "--prompt and --prompt-file exclude"),
        (Target, {"api_key": "a", "api_key_file": "b"}, "--api-key and --api-key-file exclude"),
        (Way, {"key": "a"}, "--key needs --cert"),
        (Way, {"insecure": True, "ca_file": "a"}, "--insecure and --ca-file exclude"),
    ],
)
def test_what_excludes_each_other(group: type, flags: dict[str, object], message: str):
    with pytest.raises(UsageError, match=message):
        build(group, choose(settings_of(group), flags, {}))


def test_every_setting_is_described_and_its_default_fits():
    for command in COMMANDS:
        names = []
        for group in groups_of(command):
            defaults = choose(settings_of(group), {}, {})
            build(group, defaults)
            for item in settings_of(group):
                names.append(item.name)
                assert item.help.endswith(".")
                assert item.panel
        assert len(names) == len(set(names)), command
