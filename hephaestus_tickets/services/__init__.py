"""The methods that are the tools: load, decide, apply, record."""
