"""Fetching: real servers on loopback, which misbehave as told; and tables for what is read of foreign bytes."""
