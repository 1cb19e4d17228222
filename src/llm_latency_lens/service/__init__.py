"""The monitor: probes of many endpoints for weeks, what they came to, and who is told of it.

`probing` sends, `takers` are told of each probe that has ended: the metrics, the history, the
alerts, the pushes and the page. A taker is a callable; it is called in the event loop, takes far
less than a millisecond and never raises.
"""
