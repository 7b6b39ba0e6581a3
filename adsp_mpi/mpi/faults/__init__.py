"""Watches over the ranks without which a run cannot go on: rank 0 and the other servers."""
