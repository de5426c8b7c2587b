"""The command line `pocketrec`.

Nothing heavy is imported until a command that needs it runs, so that `pocketrec --help` answers at once.
"""
