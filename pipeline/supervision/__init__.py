"""Whether nights run, and who is told when they do not."""
