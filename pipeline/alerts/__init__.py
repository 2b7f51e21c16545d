"""From probabilities to levels, words and published files."""
