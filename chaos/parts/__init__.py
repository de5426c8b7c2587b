"""The processes that the harness starts: the real ones, with a few points at which they can be told to fail."""
