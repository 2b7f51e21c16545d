"""Reach providers: the HTTP client, downloads, credentials and logins."""
