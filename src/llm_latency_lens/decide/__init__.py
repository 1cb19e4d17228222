"""Numbers and limits in, verdicts out."""
