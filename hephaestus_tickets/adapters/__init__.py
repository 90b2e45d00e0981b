"""The libraries of one purpose each, behind a Protocol."""
