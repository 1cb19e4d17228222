"""Keys out of the process list: every user of a machine can read the arguments of every process.

Linux shows a process's own memory there (proc(5), /proc/pid/cmdline), so that overwriting a key in
that memory hides it. Elsewhere, and wherever the memory does not hold what is expected, nothing
happens: a key in a variable or a file was never to be seen.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

_KEY_FLAG = "--api-key"
_HEADER_FLAG = "--header"
_URL_FLAGS = ("--stream-to", "--to")
"""Their URLs can hold a password."""
_SECRET_WORDS = ("auth", "key", "token", "secret", "cookie", "password")
# man 5 proc_pid_stat: arg_start and arg_end are fields 48 and 49; the first after the name is 3.
_ARG_START, _ARG_END = 48 - 3, 49 - 3


def is_secret(header_name: str) -> bool:
    """Whether a header of this name can hold a key."""
    return any(word in header_name.lower() for word in _SECRET_WORDS)


def secrets_in(args: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(argument, character at which the secret in it begins), for every secret."""
    for number, arg in enumerate(args):
        flag, equals, value = arg.partition("=")
        begin = len(flag) + 1
        if number and args[number - 1] in (_KEY_FLAG, _HEADER_FLAG, *_URL_FLAGS):
            flag, value, begin = args[number - 1], arg, 0  # it can hold a `=` of its own
        elif not equals:
            continue
        name, colon, _ = value.partition(":")
        if flag == _KEY_FLAG:
            yield number, begin
        elif flag in _URL_FLAGS and colon and "@" in value:
            yield number, begin + value.index(":") + len("://")
        elif flag == _HEADER_FLAG and colon and is_secret(name):
            yield number, begin + len(name) + 1


def hide_secrets(args: Sequence[str]) -> None:
    """Overwrite the secrets in these, the last arguments of the process, where that can be done."""
    found = list(secrets_in(args))
    if not found or not sys.platform.startswith("linux"):
        return
    whole = [os.fsencode(arg) for arg in sys.orig_argv]
    skipped = len(whole) - len(args)
    memory = b"\0".join(whole) + b"\0"
    begin = _where(memory)
    if skipped < 0 or list(args) != sys.orig_argv[skipped:] or begin is None:
        return
    import ctypes

    if ctypes.string_at(begin, len(memory)) != memory:
        return
    for number, character in found:
        before = sum(len(arg) + 1 for arg in whole[: skipped + number])
        before += len(os.fsencode(args[number][:character]))
        length = len(os.fsencode(args[number][character:]))
        ctypes.memset(begin + before, ord("x"), length)


def _where(memory: bytes) -> int | None:
    """The address of the arguments, when they are as long as expected."""
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        begin, end = int(fields[_ARG_START]), int(fields[_ARG_END])
    except (OSError, IndexError, ValueError):
        return None
    return begin if begin and end - begin == len(memory) else None
