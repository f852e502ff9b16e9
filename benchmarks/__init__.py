"""Measurements, side by side with stock wasmtime-py in the same run: `python -m benchmarks`, or `make bench`.

One module per subject, each with `measure(effort)`, which returns rows; `run` prints them and writes RESULTS.md.
Ratios are what to read: absolute figures belong to one machine at one moment.
"""
