"""What any room may use: errors, files, locks, the cache, hashes of code, JSON, settings as text.

It imports nothing of the project and no TensorFlow. What knows what a task is stands in `spec`.
"""
