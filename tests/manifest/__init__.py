"""Tests of the manifest loader: snapshots are built in memory, and worlds are values, so no file is ever read."""
