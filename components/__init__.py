"""The work inside the stages. Nothing here knows which orchestrator runs it.

The rooms; each imports only from those above it:

    common         errors, files, locks, hashes of code, JSON, settings as text
    spec           what a task is made of, as values without TensorFlow
    models         the BERT encoder, and the heads that make answers of its output
    data           official files or the user's own -> checked TFRecords; the gates on data
    preprocessing  Transform: text -> wordpiece ids
    evaluation     metrics, intervals, slices
    devices        which devices train, in which precision, in how much memory
    training       the Trainer: transformed examples -> a SavedModel
    tuning         hyperparameters chosen on held-out train examples
    serving        the check before a push, the push, and who asks what was pushed
    tasks          one module a task; loaded by name alone

TF Hub encoders need Keras 2 (`tf_keras`). On a GPU, TensorFlow takes all memory at once unless told
otherwise, and nothing is left for another process. What a machine has set for other work, in its
environment or in ~/.keras/keras.json, must not change the results of this one. TensorFlow and Keras read
all of it once, when they are first imported. This is the only place that sets it.
"""

import os

os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["KERAS_HOME"] = os.path.join(os.devnull, "keras")  # no folder, and none can be made
for _name in (
    "NVIDIA_TF32_OVERRIDE",
    "TF_ENABLE_AUTO_MIXED_PRECISION",
    "TF_ENABLE_AUTO_MIXED_PRECISION_GRAPH_REWRITE",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_XLA_FLAGS",
):
    os.environ.pop(_name, None)
