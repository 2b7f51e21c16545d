"""Revisions of the tables, oldest first; each is frozen and defines what it needs by itself.

A module named ``rNNNN_what`` has ``revision``, ``down_revision`` (the one before) and ``upgrade``.
It runs on SQLite and PostgreSQL inside the transaction of all revisions.
:data:`pipeline.storage.schema.HEAD` names the last.
"""
