"""The Timing Engine: sockets, TLS and HTTP framing, with the kernel's receive stamps.

`HttpTransport` sends requests; `Timeouts`, `Tls` and `Network` say how.
"""

from __future__ import annotations

from .http import HttpTransport
from .settings import Network, Timeouts, Tls

__all__ = ["HttpTransport", "Network", "Timeouts", "Tls"]
