"""The work inside the stages. Nothing here knows which orchestrator runs it.

TF Hub encoders need Keras 2 (`tf_keras`). On a GPU, TensorFlow takes all memory at once unless told
otherwise, and nothing is left for another process. It reads both variables once, when it is first
imported. This is the only place that sets them.
"""

import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
