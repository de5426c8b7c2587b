"""All state: datasets, jobs, events, models, blobs. Never imports TensorFlow."""
