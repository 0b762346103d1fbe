"""What a task is made of, as values: a process reads them in milliseconds, without TensorFlow.

It imports only `common`. What computes with a task is found from it by name, in the rooms below.
"""
