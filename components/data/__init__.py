"""Official files or the user's own, to TFRecords that were checked; and the two gates on data.

What turns text into tokens stands in `preprocessing`.
"""
