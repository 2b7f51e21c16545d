"""What agencies receive: the published tree, its feeds and their signatures."""
