"""The page of a run: why its model was pushed or refused, and the results behind that."""
