"""Memory checkers, sanitizers and mutation runs."""
