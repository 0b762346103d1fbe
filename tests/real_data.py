"""Where the official data lies, if it does: BERT_TFX_DATA, or shared/data beside the checkout."""

import os
import pathlib

_BESIDE = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
REAL_DATA = pathlib.Path(os.environ.get("BERT_TFX_DATA", _BESIDE))

HAS_MRPC = (REAL_DATA / "mrpc" / "msr_paraphrase_train.txt").is_file()
