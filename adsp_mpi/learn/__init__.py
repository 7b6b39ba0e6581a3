"""Everything that uses torch: flat parameters, local training, tasks and their data."""
