import pytest

from llm_latency_lens.errors import UsageError
from llm_latency_lens.request import Prompt, Request
from llm_latency_lens.workload import cycle


def build(prompt: Prompt) -> Request:
    text = prompt.messages[0]["content"]
    return Request("openai", "m", "http://h/v1", (), text.encode(), tag=prompt.tag)


def test_prompts_come_in_order_again_and_again():
    workload = cycle([Prompt.of("a"), Prompt.of("b")], build)
    bodies = [request.body for _ in range(5) if (request := workload(None))]
    assert bodies == [b"a", b"b", b"a", b"b", b"a"]


def test_each_request_is_built_once():
    built = []

    def counting(prompt: Prompt) -> Request:
        built.append(prompt)
        return build(prompt)

    workload = cycle([Prompt.of("a")], counting)
    assert workload(None) is workload(None)
    assert len(built) == 1


def test_no_prompt_is_a_mistake():
    with pytest.raises(UsageError, match="no prompt"):
        cycle([], build)
