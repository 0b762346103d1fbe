"""What any room may use: errors, files, JSON, settings as text, what keeps other libraries in bounds.

It imports nothing of the project and no TensorFlow. What knows what a task is stands in `spec`.
"""
