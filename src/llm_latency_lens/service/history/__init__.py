"""The history of the monitor: a journal, tables made of it, and questions to both."""

from .bins import HEAT_RATIO, Bin, Quantiles
from .history import History, HistoryHealth
from .questions import Tally

__all__ = ["HEAT_RATIO", "Bin", "History", "HistoryHealth", "Quantiles", "Tally"]
