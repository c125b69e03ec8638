"""Durable memory behind the Store port: SQLite or PostgreSQL through one code (sql), or nothing durable at all (memory)."""
