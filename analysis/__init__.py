"""Offline analysis of traces; the experiments also make traces, in virtual time."""
