"""Stage 6 of 7: scorer of an exported file + examples -> report."""
