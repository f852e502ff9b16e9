"""Judges whether a written pattern covers a name: topics, and directories. Pure: no file or message is touched.

`manifest` compares what is written with it, `security` what a guest asks for, `messaging` who subscribes to a topic.
"""
