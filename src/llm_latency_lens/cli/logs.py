"""Log lines of what runs for weeks: for people, or as JSON for what gathers them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TextIO

import msgspec


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        found = f"{_moment(record)} {record.levelname.lower()} {_message(record)}"
        return f"{found}\n{self.formatException(record.exc_info)}" if record.exc_info else found


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def start_logging(level: str, form: str, stream: TextIO) -> None:
    """Log to `stream` from that level on, as `text` or `json`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("azure", "httpx", "httpx2", "httpcore", "httpcore2"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _message(record: logging.LogRecord) -> str:
    """On one line, whatever a server wrote into it."""
    return " ".join(record.getMessage().split())


def _moment(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
