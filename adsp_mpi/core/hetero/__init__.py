"""Injected heterogeneity: which speed, delay and bandwidth each worker has at each moment."""
