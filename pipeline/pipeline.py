"""The pipeline from TFRecords to a pushed model, in the order in which its stages run."""

import json

from google.protobuf import wrappers_pb2
from tfx.components import (
    Evaluator,
    ExampleValidator,
    ImportExampleGen,
    InfraValidator,
    Pusher,
    StatisticsGen,
    Trainer,
    Transform,
)
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.compiler.compiler import Compiler
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2, infra_validator_pb2, pusher_pb2, trainer_pb2
from tfx.proto.orchestration import pipeline_pb2
from tfx.types import Channel, standard_artifacts
from tfx.types.standard_component_specs import CUSTOM_CONFIG_KEY
from tfx.utils import proto_utils

from components.common.serialization import to_json
from components.data.data_gate import DataGate
from components.data.drift_gate import DriftGate
from components.preprocessing.target_gate import TargetGate
from components.serving.pusher import Executor as PusherExecutor
from components.serving.served_model import ServedModel
from components.serving.serving_check import ServingCheck
from components.spec.task import Task
from pipeline.config import PipelineConfig
from pipeline.eval_config import EXTRACTORS, SIGNATURE, check_slice_examples, eval_config
from pipeline.fingerprint import stage_code
from pipeline.model_card_facts import card_facts
from pipeline.resolvers.anchor import Anchor
from pipeline.resolvers.last_statistics import LastBlessedStatistics, statistics_options
from pipeline.runs.record_stage import WriteRecord, asked_for


def create_pipeline(config: PipelineConfig) -> Pipeline:
    """Builds the pipeline: ingest, check, tokenize, train, evaluate, try the export, push it."""
    task = config.task
    check_slice_examples(task, f"{config.data}/{config.eval_split}")

    examples = _examples(config)
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    schema = ImportSchemaGen(schema_file=config.schema_file)
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    data_gate = DataGate(anomalies=validator.outputs["anomalies"], code=stage_code("DataGate"))

    transform = _transform(config, examples, schema)
    transform.add_upstream_node(data_gate)

    target_gate = _target_gate(config, examples, transform) if task.head.offset_features else None

    token_statistics = StatisticsGen(
        examples=transform.outputs["transformed_examples"],
        stats_options=statistics_options(config),
    ).with_id("TokenStatistics")
    last = _last_statistics(token_statistics) if config.baseline == "anchor" else None
    drift_gate = DriftGate(
        statistics=token_statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        text_features=json.dumps(task.head.text_features),
        drift=task.drift,
        code=stage_code("DriftGate"),
        **({"previous": last.outputs["statistics"]} if last else {}),
    )

    trainer = _trainer(config, transform)
    trainer.add_upstream_node(drift_gate)
    if target_gate:
        trainer.add_upstream_node(target_gate)

    baseline = _BASELINES[config.baseline](config, trainer.outputs["model"]).with_id("Baseline")
    evaluator = Evaluator(
        examples=examples.outputs["examples"],
        example_splits=[config.eval_split],
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"],
        schema=schema.outputs["schema"],
        eval_config=eval_config(task),
        module_path=EXTRACTORS,
    )

    model_server = _model_server(config, examples, trainer) if task.serving.model_server else None
    serving_check = _serving_check(config, examples, trainer, evaluator, model_server)

    # It is given no model, and so pushes the copy that ServingCheck has made ready.
    pusher = Pusher(
        custom_executor_spec=ExecutorClassSpec(PusherExecutor),
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=serving_check.outputs["blessing"],
        push_destination=_push_destination(config),
        custom_config={"keep_versions": task.serving.keep_versions},
    )
    record = None  # a run on this machine writes its own
    if not config.keeps_metadata:
        record = _record(config, examples, trainer, evaluator, serving_check, pusher)

    nodes = [
        examples,
        statistics,
        schema,
        validator,
        data_gate,
        transform,
        target_gate,
        token_statistics,
        last,
        drift_gate,
        trainer,
        baseline,
        evaluator,
        model_server,
        serving_check,
        pusher,
        record,
    ]
    return Pipeline(
        pipeline_name=task.name,
        pipeline_root=config.artifacts,
        components=[node for node in nodes if node],
        enable_cache=True,
        metadata_connection_config=(
            metadata.sqlite_metadata_connection_config(config.metadata_file)
            if config.keeps_metadata
            else None
        ),
        beam_pipeline_args=list(config.beam_args),
    )


def compile_pipeline(config: PipelineConfig) -> pipeline_pb2.Pipeline:
    """Compiles the pipeline for TFX's launcher, with a cache for every stage but Pusher.

    Whether there is something to push depends on what is served now.
    """
    compiled = Compiler().compile(create_pipeline(config))
    for node in (node.pipeline_node for node in compiled.nodes):
        if node.node_info.id == "Pusher":
            node.execution_options.caching_options.enable_cache = False
    return compiled


def _splits(names: list[str]) -> example_gen_pb2.Input:
    return example_gen_pb2.Input(
        splits=[example_gen_pb2.Input.Split(name=name, pattern=f"{name}/*") for name in names]
    )


def _examples(config: PipelineConfig) -> ImportExampleGen:
    """TFX tells data apart by the sizes and times of its files; here by their content, too.

    ImportExampleGen has no argument for its `custom_config`, which is in the cache's keys.
    """
    splits = sorted({"train", "eval", config.eval_split})
    examples = ImportExampleGen(input_base=config.data, input_config=_splits(splits))
    if config.data_sha256:
        content = example_gen_pb2.CustomConfig()
        content.custom_config.Pack(wrappers_pb2.StringValue(value=config.data_sha256))
        examples.spec.exec_properties[CUSTOM_CONFIG_KEY] = proto_utils.proto_to_json(content)
    return examples


def _transform(config: PipelineConfig, examples, schema) -> Transform:
    return Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="components.preprocessing.transform.preprocessing_fn",
        disable_statistics=True,  # TokenStatistics computes them
        custom_config=_head_and_encoder(config, "Transform"),
    )


def _target_gate(config: PipelineConfig, examples, transform) -> BaseComponent:
    """Answers are found by the places of tokens; a class can always be learned."""
    return TargetGate(
        examples=examples.outputs["examples"],
        transformed_examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        head=to_json(config.task.head),
        max_unusable_ratio=config.task.max_unusable_ratio,
        code=stage_code("TargetGate", config.task.head),
    )


def _trainer(config: PipelineConfig, transform) -> Trainer:
    return Trainer(
        run_fn="components.training.trainer.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        train_args=trainer_pb2.TrainArgs(splits=["train"]),
        eval_args=trainer_pb2.EvalArgs(splits=["eval"]),
        custom_config={
            **_head_and_encoder(config, "Trainer"),
            "hyperparameters": to_json(config.task.hyperparameters),
            "checkpoints": config.checkpoints,
            "warm_start": config.warm_start,
        },
    )


def _head_and_encoder(config: PipelineConfig, stage: str) -> dict[str, str]:
    """Returns the head, the encoder, and the hash of the stage's code with the head's."""
    head = config.task.head
    return {
        "head": to_json(head),
        "encoder": to_json(config.encoder),
        "code": stage_code(stage, head),
    }


def _model_server(config: PipelineConfig, examples, trainer) -> InfraValidator:
    return InfraValidator(
        model=trainer.outputs["model"],
        examples=examples.outputs["examples"],
        serving_spec=infra_validator_pb2.ServingSpec(
            tensorflow_serving=infra_validator_pb2.TensorFlowServing(
                tags=[config.task.serving.model_server]
            ),
            local_docker=infra_validator_pb2.LocalDockerConfig(),
            model_name=config.task.name,
        ),
        request_spec=infra_validator_pb2.RequestSpec(
            tensorflow_serving=infra_validator_pb2.TensorFlowServingRequestSpec(
                signature_names=[SIGNATURE]
            ),
            split_name=config.eval_split,
            num_examples=16,
        ),
    )


def _serving_check(
    config: PipelineConfig, examples, trainer, evaluator, model_server: InfraValidator | None
) -> BaseComponent:
    return ServingCheck(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        evaluation=evaluator.outputs["evaluation"],
        examples=examples.outputs["examples"],
        split=config.eval_split,
        limits=json.dumps(
            {
                name: getattr(config.task.serving, name)
                for name in ("max_latency_ms", "max_memory_mb")
            }
        ),
        facts=card_facts(config),
        code=stage_code("ServingCheck"),
        **({"server_blessing": model_server.outputs["blessing"]} if model_server else {}),
    )


def _push_destination(config: PipelineConfig) -> pusher_pb2.PushDestination:
    return pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=config.serving)
    )


def _record(
    config: PipelineConfig, examples, trainer, evaluator, serving_check, pusher
) -> BaseComponent:
    return WriteRecord(
        asked=asked_for(config),
        input_base=config.data,
        root=config.root,
        examples=examples.outputs["examples"],
        model_run=trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        blessing=evaluator.outputs["blessing"],
        serving=serving_check.outputs["blessing"],
        pushed_model=pusher.outputs["pushed_model"],
    )


def _last_statistics(token_statistics: StatisticsGen) -> Resolver:
    return Resolver(
        strategy_class=LastBlessedStatistics,
        current=token_statistics.outputs["statistics"],
        statistics=Channel(type=standard_artifacts.ExampleStatistics),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    ).with_id("LastStatistics")


def _anchor(config: PipelineConfig, candidate: Channel) -> Resolver:
    return Resolver(
        strategy_class=Anchor,
        config={"metrics": _directions(config.task)},
        candidate=candidate,
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    )


def _directions(task: Task) -> dict[str, bool]:
    """Returns for each metric with a threshold whether higher is better."""
    judged = (task.metric(name) for name in task.thresholds)
    return {metric.name: metric.higher_is_better for metric in judged if metric}


def _last_blessed(_, __) -> Resolver:
    return Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    )


def _served(config: PipelineConfig, candidate: Channel) -> BaseComponent:
    destination = proto_utils.proto_to_json(_push_destination(config))
    return ServedModel(candidate=candidate, push_destination=destination)


# The first needs ML Metadata and this project's resolver, the second TFX's own resolver, the third
# only a folder.
_BASELINES = {
    "anchor": _anchor,
    "last_blessed": _last_blessed,
    "served": _served,
}
