"""Stage 1 of 7: files -> interactions."""
