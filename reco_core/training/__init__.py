"""Stage 4 of 7: dual encoder + examples -> trained model."""
