"""Reports from the ground: flooded or dry, at a city and a time, sent by anybody with a phone."""
