"""Jobs: create, watch, cancel."""
