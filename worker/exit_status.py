"""Exit statuses by which a trainer tells its supervisor how it ended."""

RESULT = 0
ERROR = 2
USAGE = 64
OUT_OF_MEMORY = 71
INTERRUPTED = 75
ORPHANED = 76
