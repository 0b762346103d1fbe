"""Turns official files or the user's own into checked TFRecords; holds the two gates on data.

`preprocessing` turns text into tokens.
"""
