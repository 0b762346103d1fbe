"""A run, while it runs and afterwards: its lock, terminal, record, ML Metadata and closing table.

`results` defines the record of a run; `history` makes one from ML Metadata where a run has none.
`pipeline/report` writes the page of a run.
"""
