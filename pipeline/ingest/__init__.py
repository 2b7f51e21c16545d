"""From the providers to the stores: fetch, read within limits, store."""
