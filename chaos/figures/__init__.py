"""The figures of the reliability table, each a function that gets a `Run` and returns what it came to."""
