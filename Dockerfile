# The image of every stage on Kubeflow Pipelines and Vertex AI:
#
#   docker build --build-arg STACK=116 --tag REGISTRY/IMAGE:TAG .
#
# STACK is that of the environment in which kubeflow_runner.py compiles, which prints this command.
# NVIDIA's libraries come from the lock; the GPU's driver comes from the machine that runs the container.
ARG STACK=121

FROM python:3.10-slim-bookworm AS stack116
FROM python:3.11-slim-trixie AS stack121
FROM stack${STACK}

ARG STACK
ARG ENCODER=minilm-l6

# Packages that come as source only need the compiler.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ make \
    && rm -rf /var/lib/apt/lists/*

# Kubeflow Pipelines' launcher runs as the image's user and copies artifacts to these folders.
RUN useradd --create-home --uid 1000 pipeline \
    && install --directory --owner=pipeline --group=pipeline /pipeline /gcs /minio /s3

USER pipeline
WORKDIR /pipeline
ENV PATH=/pipeline/.venv/bin:$PATH \
    PYTHONPATH=/pipeline \
    XDG_CACHE_HOME=/pipeline/.cache \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# The environment changes less often than the code, so it is a layer of its own.
COPY --chown=pipeline locks/ locks/
COPY --chown=pipeline tools/ tools/
COPY --chown=pipeline pipeline/doctor.py pipeline/doctor.py
RUN STACK=${STACK} WITH_CUDA=1 WITH_DEVELOP=0 tools/setup.sh && rm -rf .cache

COPY --chown=pipeline schema/ schema/
COPY --chown=pipeline components/ components/
COPY --chown=pipeline pipeline/ pipeline/

RUN bert-tfx encoder ${ENCODER}
RUN bert-tfx doctor
