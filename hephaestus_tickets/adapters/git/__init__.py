"""Git repositories: what the services ask of one, and git itself that answers."""
