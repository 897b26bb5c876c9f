"""Benchmarks: what a request costs here and with other clients, side by side in one run.

``python -m tests.benchmarks`` in the root of the project, or ``nox -s benchmarks``. The modules hold the cases and
their bars; none is collected by pytest.

Why a runner of its own: a bar is a ratio of two contestants, and the speed of a machine drifts by more than that
while a run lasts. So the contestants of a case have to take turns, A B C, B C A, C A B, ..., in one process and one
event loop, and the ratio is taken within each round. pytest-benchmark finishes all rounds of one contestant before the
next begins, and awaits nothing by itself: a loop would be started and stopped around every call. pyperf runs each
contestant in worker processes of its own, one after the other.
"""
