"""What torch does: flat parameters, local training, tasks and their data."""
