"""Packaging: `pip install .` in an environment made from a lock; also Beam's --setup_file.

The environment itself comes from locks/ (`make setup`). What it has to hold is declared as extras
and not as requirements: pip would "repair" a locked environment to TFX's own bounds, on Beam's
workers too, and TFX does not import with the tensorflow-hub that these allow.
"""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).resolve().parent
(VERSION,) = re.findall(r'__version__ = "(.*)"', (ROOT / "pipeline" / "__init__.py").read_text())

setup(
    name="bert-tfx-pipeline",
    version=VERSION,
    description="A TFX pipeline that fine-tunes BERT, gates it and pushes it to serving",
    long_description=(ROOT / "README.md").read_text() if (ROOT / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    python_requires=">=3.10,<3.12",
    # schema/ holds data only. It is listed because find_packages looks for __init__.py; it lies
    # beside pipeline/ once installed, as it does in the checkout.
    packages=[*find_packages(include=["pipeline*", "components*"]), "schema"],
    package_data={
        "schema": ["*.pbtxt"],
        "pipeline.report": ["*.j2", "*.js"],
        "components.serving": ["*.html"],
    },
    py_modules=["airflow_dag", "kubeflow_runner", "local_runner"],
    entry_points={"console_scripts": ["bert-tfx = pipeline.cli.main:main"]},
    extras_require={
        "environment": [
            "tfx>=1.16,<1.22,!=1.17.*",  # 1.17 needs the same glibc as 1.21
            "tensorflow-text",  # of TensorFlow's own minor, as is tf-keras
            "tf-keras",
            "pydantic",
            "filelock",
            "platformdirs",
            "click",
            "rich",
            "jinja2",
            "safetensors",
            "tokenizers",
        ],
        "notebook": ["ipykernel", "nbclient", "nbconvert"],  # docs/evaluation.ipynb
    },
)
