"""Health, readiness, the config schema and the catalogue of problems."""
