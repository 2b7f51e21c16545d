"""The target grid, zones, places and the variables known of them."""
