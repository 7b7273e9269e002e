"""Model files of earlier formats are read, and separate as they did."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stems.card import read_card
from stems.compatibility import EARLIER, FORMAT
from stems.model import Model

FILES = sorted((Path(__file__).parent / "format-1").glob("*.safetensors"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_embeddings_are_those_that_the_file_gave_when_its_format_was_new(path: Path, tmp_path: Path) -> None:
    assert '"stems-model/1"' in path.with_suffix(".json").read_text() and "stems-model/1" in EARLIER
    expected = load_file(path.with_suffix(".expected.st"))
    rewritten = tmp_path / path.name
    Model.load(path).save(rewritten)
    assert read_card(rewritten)["format"] == FORMAT
    for model in (Model.load(path), Model.load(rewritten)):
        with torch.no_grad():
            torch.testing.assert_close(model.network(expected["levels"]), expected["embeddings"])
            torch.testing.assert_close(model.anchors, expected["anchors"])
            torch.testing.assert_close(model.kappa[None], expected["kappa"])


def test_there_are_files_with_and_without_groups() -> None:
    assert {bool(read_card(path)["design"]["network"]["groups"]) for path in FILES} == {True, False}
