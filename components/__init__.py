"""The work inside the stages. Nothing here knows which orchestrator runs it.

TF Hub encoders need Keras 2 (`tf_keras`), and TensorFlow reads this variable once, when it is first
imported. This is the only place that sets it.
"""

import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
