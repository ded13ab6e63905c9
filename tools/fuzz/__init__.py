"""Coverage-guided fuzzers and their seeds."""
