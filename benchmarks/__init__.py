"""Speed, memory and truth, measured: `python -m benchmarks [NAME ...]`."""
