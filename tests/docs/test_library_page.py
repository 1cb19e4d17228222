"""The page on the library has a door for every command."""

import re

from doc_examples import ROOT

from llm_latency_lens.cli.commands import COMMANDS


def test_every_command_has_its_door() -> None:
    page = (ROOT / "docs/how-to/library.md").read_text()
    doors = page.partition("## Every command and its door")[2]
    commands = "".join(re.findall(r"^\|([^|]*)\|", doors, flags=re.M))
    assert set(COMMANDS) <= set(re.findall(r"`([a-z]+)[ `]", commands))
