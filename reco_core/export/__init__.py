"""Stage 5 of 7: trained model -> .tflite files."""
