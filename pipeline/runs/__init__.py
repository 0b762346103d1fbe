"""What a run did, while it runs and afterwards: lock, terminal, ML Metadata, results, closing table.

The page of a run stands in `pipeline/report`.
"""
