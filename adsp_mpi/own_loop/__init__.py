"""A user's own training loop as a worker: `join`, and what it needs on either engine."""
