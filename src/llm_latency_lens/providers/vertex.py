"""Vertex AI: the models of Google and of others, each in its own format, at one address.

The publisher decides: Google's models are asked by generateContent, Anthropic's by its Messages
and Mistral's by its chat completions within `rawPredict`, all others by Vertex AI's own endpoint
for OpenAI's chat completions.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

from ..errors import UsageError
from ..record import Record
from ..request import Prompt, Request, Target
from ..timeline import Timeline
from . import anthropic_messages, google_chat, google_embeddings, openai_chat
from .asking import ask
from .google_address import method_of, proof, quoted, url_of

BASE_URL = "https://{region}-aiplatform.googleapis.com"
ANTHROPIC_VERSION = "vertex-2023-10-16"
_GLOBAL = "global"
_MULTI_REGIONS = ("us", "eu")
_VERSIONS = {None: "v1", "beta": "v1beta1"}
_PUBLISHER = re.compile(r"(?:projects/.+/)?publishers/([^/]+)/")

# Whose models are also known by their name alone; what is in none of these is Google's.
_KNOWN = {
    "claude": "anthropic",
    "mistral": "mistralai",
    "ministral": "mistralai",
    "codestral": "mistralai",
}


def build(target: Target, prompt: Prompt) -> Request:
    """The HTTP request that puts `prompt` to `target`. UsageError without a project."""
    match publisher_of(target.model):
        case "google":
            return _google(target, prompt)
        case "anthropic":
            return _anthropic(target, prompt)
        case "mistralai":
            return _mistral(target, prompt)
        case _:
            return _openai(target, prompt)


def build_embeddings(target: Target, prompt: Prompt) -> Request:
    """The request for the vector of the prompt's text; the newer models have a method for it."""
    name = target.model.rpartition("/")[2]
    if "gemini" in name or "maas" in name:
        method, body = ":embedContent", google_embeddings.content_body(prompt.text)
    else:
        method, body = ":predict", google_embeddings.instances_body(prompt.text)
    url = _url(target, _path(target.model) + method)
    return ask(target, prompt, url, body, proof(target), accept="application/json")


def decode(timeline: Timeline) -> Record:
    """What a captured request came to, in the format of the model's publisher."""
    match publisher_of(timeline.model):
        case "google":
            return google_chat.decode(timeline)
        case "anthropic":
            return anthropic_messages.decode(timeline)
        case _:
            return openai_chat.decode(timeline)


def publisher_of(model: str) -> str:
    """Whose model it is: `claude-opus-4`, `meta/llama-4`, `publishers/google/models/gemini-3`.

    A project's own endpoints hold tuned models of Google's.
    """
    if found := _PUBLISHER.match(model):
        return found[1]
    if model.startswith(("projects/", "endpoints/", "models/")):
        return "google"
    publisher, slash, _ = model.partition("/")
    if slash:
        return publisher
    return next((its for begin, its in _KNOWN.items() if model.startswith(begin)), "google")


def host_of(region: str) -> str:
    """The host of a region, of one of the two multi-regions, or of the whole world."""
    if region == _GLOBAL:
        return "aiplatform.googleapis.com"
    if region in _MULTI_REGIONS:
        return f"aiplatform.{region}.rep.googleapis.com"
    return f"{region}-aiplatform.googleapis.com"


# -- one publisher each ------------------------------------------------------------------------


def _google(target: Target, prompt: Prompt) -> Request:
    body = google_chat.body_of(target, prompt)
    method = method_of("generateContent", stream=target.stream)
    url = _url(target, _path(target.model) + method, sse=target.stream, express=True)
    return ask(google_chat.with_settings(target, body), prompt, url, body, proof(target))


def _anthropic(target: Target, prompt: Prompt) -> Request:
    """The model stands in the address, the version of the format in the body."""
    body = anthropic_messages.body_of(target, prompt)
    prompt = replace(prompt, max_tokens=body["max_tokens"])
    body = {"anthropic_version": ANTHROPIC_VERSION, **body, "stream": target.stream}
    method = method_of("rawPredict", stream=target.stream)
    return ask(target, prompt, _url(target, _path(target.model) + method), body, proof(target))


def _mistral(target: Target, prompt: Prompt) -> Request:
    """Mistral sends the usage unasked, and knows no `stream_options`."""
    body = openai_chat.body_of(target, prompt)
    body.pop("stream_options", None)
    body["model"] = target.model.rpartition("/")[2]
    method = method_of("rawPredict", stream=target.stream)
    return ask(target, prompt, _url(target, _path(target.model) + method), body, proof(target))


def _openai(target: Target, prompt: Prompt) -> Request:
    body = openai_chat.body_of(target, prompt)
    body["model"] = f"{publisher_of(target.model)}/{target.model.rpartition('/')[2]}"
    url = _url(target, "/endpoints/openapi" + openai_chat.PATH)
    return ask(target, prompt, url, body, proof(target))


# -- the address -------------------------------------------------------------------------------


def _path(model: str) -> str:
    """The model's path within its location, or, where its name has that, the whole."""
    if model.startswith(("projects/", "publishers/", "endpoints/", "models/")):
        return "/" + quoted(model)
    return f"/publishers/{publisher_of(model)}/models/{quoted(model.rpartition('/')[2])}"


def _url(target: Target, path: str, *, sse: bool = False, express: bool = False) -> str:
    """`express` allows an address without a project, as Vertex AI has it for a key."""
    version = "/" + _VERSIONS.get(target.api_version, target.api_version or "")
    region = target.region or _GLOBAL
    base = target.base_url
    if base == BASE_URL:
        base = f"https://{host_of(region)}"
    if "/projects/" in urlsplit(base).path:  # the base names project and location itself
        return url_of(base, path, "", sse=sse)
    bare = express and target.api_key and not target.project
    if not (bare or path.startswith("/projects/")):
        if not target.project:
            raise UsageError(
                "Vertex AI wants a project: give --project, or set GOOGLE_CLOUD_PROJECT"
            )
        path = f"/projects/{quoted(target.project)}/locations/{quoted(region)}{path}"
    return url_of(base, path, version, sse=sse)
