"""The documents: what they show is run, and what they point to exists."""
