"""Benchmarks: measure the running service relative to the libraries that it is built on."""
