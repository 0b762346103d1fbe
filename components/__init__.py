"""The work inside the stages. Nothing here knows which orchestrator runs it.

TensorFlow reads these variables once, when it is first imported; this is the only place that sets
them. TF Hub encoders need Keras 2 (`tf_keras`). oneDNN's kernels, which TensorFlow leaves off on some
processors, make a training step a tenth faster.
"""

import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
