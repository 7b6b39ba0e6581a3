"""The page of `report`: HTML, its scripts, and what they draw."""
