"""The pipeline for other orchestrators: Airflow's graph and stages, Kubeflow's and Vertex AI's spec.

LocalDagRunner needs nothing of this package.
"""
