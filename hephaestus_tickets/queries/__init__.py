"""Every SELECT as a named function that returns a statement."""
