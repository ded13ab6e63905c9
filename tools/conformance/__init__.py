"""The conformance bench before this station and another one."""
