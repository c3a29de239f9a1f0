"""The benchmark: `python -m tests.bench` from the top of the checkout."""
