"""Programs that users run on their cluster before a run."""
