"""The doors: HTTP API, command line. Never imports TensorFlow."""
