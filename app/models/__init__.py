"""Models, their versions and the files of a version."""
