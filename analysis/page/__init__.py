"""The page of `report`: its HTML, its scripts, and the data that they draw."""
