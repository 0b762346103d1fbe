"""What turns an encoder's output into a task's answer: one module a kind, named as the kind.

What a head is asked for stands in `components/models/heads/head.py`, its settings in
`components/spec/heads.py`.
"""
