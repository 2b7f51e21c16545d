"""What people open in a browser, made from the published tree."""
