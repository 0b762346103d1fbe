"""The pipeline as TFX's intermediate representation, which LocalDagRunner and Airflow's stages run."""

from tfx.dsl.compiler.compiler import Compiler
from tfx.proto.orchestration import pipeline_pb2

from pipeline.config import PipelineConfig
from pipeline.pipeline import create_pipeline


def compile_pipeline(config: PipelineConfig) -> pipeline_pb2.Pipeline:
    """With a cache for every stage but Pusher: what there is to push depends on what is served now."""
    pipeline = Compiler().compile(create_pipeline(config))
    for node in (node.pipeline_node for node in pipeline.nodes):
        if node.node_info.id == "Pusher":
            node.execution_options.caching_options.enable_cache = False
    return pipeline
