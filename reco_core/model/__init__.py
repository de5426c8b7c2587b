"""Stage 3 of 7: vocabulary -> dual encoder."""
