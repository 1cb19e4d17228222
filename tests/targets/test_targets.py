from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial

import pytest

from llm_latency_lens.errors import UsageError
from llm_latency_lens.providers import Provider, get, openai_chat
from llm_latency_lens.request import Operation, Prompt, Secret, Target
from llm_latency_lens.targets import Place, address_of, find_key, locate, opened

KEYED = Provider(
    "keyed",
    "Keyed",
    "https://api.example/v1",
    openai_chat.build,
    openai_chat.decode,
    key_env=("ONE_KEY", "OTHER_KEY"),
    base_url_env=("KEYED_URL",),
    needs_key=True,
)
CLOUD = dataclasses.replace(
    KEYED,
    name="cloud",
    base_url="https://{region}.example/v1",
    auth="entra",
    region_env=("CLOUD_REGION", "CLOUD_ZONE"),
    project_env=("CLOUD_PROJECT",),
    api_version_env=("CLOUD_VERSION",),
    region="everywhere",
)
NOBODY: Mapping[str, str] = {}
target = partial(Target, provider="keyed", model="m", base_url="https://api.example/v1")


@pytest.mark.parametrize(
    ("place", "environ", "found"),
    [
        (Place(), NOBODY, "https://api.example/v1"),
        (Place(), {"KEYED_URL": "https://other/v1/"}, "https://other/v1"),
        (Place("http://mine:8/v1/"), {"KEYED_URL": "https://other/v1"}, "http://mine:8/v1"),
        (Place(), {"KEYED_URL": "host"}, "https://host"),
    ],
)
def test_the_given_address_comes_before_the_environments_and_the_providers_own(
    place: Place, environ: Mapping[str, str], found: str
) -> None:
    assert address_of(KEYED, place, environ) == found


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("box", "http://box:11434"),
        ("box:80", "http://box:80"),
        ("https://box", "https://box"),
        ("[::1]", "http://[::1]:11434"),
        (":56789", "http://127.0.0.1:56789"),
        ("box/", "http://box:11434"),
        ("box/path", "http://box:11434/path"),
    ],
)
def test_a_host_alone_gets_the_scheme_and_port_that_are_usual(named: str, found: str) -> None:
    usual = dataclasses.replace(KEYED, base_url="http://127.0.0.1:11434")
    assert address_of(usual, Place(), {"KEYED_URL": named}) == found


def test_what_the_clouds_put_into_their_addresses_is_found() -> None:
    found = locate(CLOUD, target(), Place(), NOBODY, api_key="k")
    assert (found.api_key, found.base_url) == (Secret("k"), CLOUD.base_url)
    assert (found.region, found.project, found.api_version) == ("everywhere", None, None)
    environ = {"CLOUD_ZONE": "east", "CLOUD_PROJECT": "p", "CLOUD_VERSION": "v"}
    found = locate(CLOUD, target(), Place(), environ)
    assert (found.region, found.project, found.api_version) == ("east", "p", "v")
    found = locate(CLOUD, target(), Place(None, "r", "q", "w"), environ)
    assert (found.region, found.project, found.api_version) == ("r", "q", "w")


def test_headers_of_the_environment_are_added_to_those_that_were_given() -> None:
    row = dataclasses.replace(KEYED, headers_env=(("x-one", "ONE"), ("x-two", "TWO")))
    asked = target(headers=(("X-One", "mine"),))
    environ = {"ONE": "1", "TWO": "2"}
    found = locate(row, asked, Place(), environ, api_key="k")
    assert found.headers == (("X-One", "mine"), ("x-two", "2"))
    assert locate(row, target(), Place(), {"ONE": ""}, api_key="k").headers == ()


@pytest.mark.parametrize("name", ["openai", "openai-responses"])
def test_openai_is_told_which_account_is_charged(name: str) -> None:
    environ = {"OPENAI_API_KEY": "k", "OPENAI_ORG_ID": "o", "OPENAI_PROJECT_ID": "p"}
    row = get(name)
    found = locate(row, target(provider=name), Place(), environ)
    request = row.build(found, Prompt.of("Hi"))
    assert dict(request.headers)["openai-organization"] == "o"
    assert dict(request.headers)["openai-project"] == "p"


def test_the_given_key_comes_before_the_environments() -> None:
    find = partial(find_key, KEYED, base_url="https://api.example/v1")
    assert find("k", environ={"ONE_KEY": "e"}) == Secret("k")
    assert find(None, environ={"ONE_KEY": "", "OTHER_KEY": "e"}) == Secret("e")
    assert find("none", environ={"ONE_KEY": "e"}) is None
    with pytest.raises(UsageError, match="no API key for keyed: set ONE_KEY or OTHER_KEY"):
        find(None, environ=NOBODY)


def test_no_key_is_asked_for_on_this_machine_nor_by_clouds_that_know_other_ways() -> None:
    assert find_key(KEYED, None, "http://localhost:1/v1", NOBODY) is None
    assert find_key(CLOUD, None, "https://r.example/v1", NOBODY) is None


def test_without_a_cloud_requests_are_sent_as_they_were_built() -> None:
    asked = target(api_key=Secret("secret-1"), headers=(("x-token", "secret-2"),))
    with opened(KEYED, asked, NOBODY) as aim:
        request = aim.workload([Prompt.of("Hi")])(None)
        assert request == aim.build(Prompt.of("Hi"))
        assert request is not None
        assert aim.authorize is None
        assert set(aim.secrets) == {b"secret-1", b"secret-2"}


def test_a_clouds_token_is_added_to_each_request_and_never_kept() -> None:
    asked = target(provider="cloud", headers=(("x-token", "secret-2"),))
    with opened(CLOUD, asked, {"AZURE_OPENAI_AD_TOKEN": "token-1"}) as aim:
        request = aim.workload([Prompt.of("Hi")])(None)
        assert request is not None
        assert dict(request.headers)["authorization"] == "Bearer token-1"
        assert set(aim.secrets) == {b"token-1", b"secret-2"}


@pytest.mark.parametrize(
    ("url", "key", "anonymous"),
    [
        ("http://127.0.0.1:1/v1", None, False),
        ("https://c.example/v1", Secret("k"), False),
        ("https://c.example/v1", None, True),
    ],
)
def test_a_local_server_a_key_or_the_users_word_make_a_cloud_unnecessary(
    url: str, key: Secret | None, anonymous: bool
) -> None:
    asked = target(provider="cloud", base_url=url, api_key=key)
    with opened(CLOUD, asked, NOBODY, anonymous=anonymous) as aim:
        assert aim.authorize is None


def test_an_aws_profile_where_none_is_used_is_said_so() -> None:
    with (
        pytest.raises(UsageError, match="--aws-profile is for a provider at AWS"),
        opened(KEYED, target(), NOBODY, aws_profile="me"),
    ):
        pass


def test_an_operation_that_the_provider_lacks_is_refused() -> None:
    asked = target(operation=Operation.RERANK)
    with (
        pytest.raises(UsageError, match="keyed has no rerank here: it has chat"),
        opened(KEYED, asked, NOBODY),
    ):
        pass


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://h/v1?x=1", "must end before the query"),
        ("https://h/v1#x", "must end before the fragment"),
        ("http://local host/v1", "must not hold a space"),
    ],
)
def test_an_address_to_which_no_path_can_be_added(url: str, told: str) -> None:
    environ = {"ONE_KEY": "k"}
    with pytest.raises(UsageError, match=told):
        locate(KEYED, target(), Place(base_url=url), environ)
    with pytest.raises(UsageError, match=told):
        locate(KEYED, target(), Place(), {**environ, "KEYED_URL": url})
