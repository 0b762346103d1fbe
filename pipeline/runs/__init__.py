"""What a run did, while it runs and afterwards: lock, terminal, record, ML Metadata, closing table.

The record of a run is in `results`; `history` makes one of ML Metadata where a run has none. The page of
a run stands in `pipeline/report`.
"""
