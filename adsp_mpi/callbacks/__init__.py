"""Callbacks for libraries that own the training loop; each file needs the library of its name."""
