import json

import numpy as np
import pytest
import xgboost

from models.core.errors import ModelUnavailable
from models.core.seeds import numpy_generator
from models.fraud.boosted import booster_of, check_parity
from models.fraud.trees import PackedTrees

ROWS, FEATURES = 600, 8


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    random = numpy_generator(0, "trees")
    x = random.standard_normal((ROWS, FEATURES)).astype(np.float32)
    x[random.random(x.shape) < 0.1] = np.nan
    y = (np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) * np.nan_to_num(x[:, 2])) > 1
    parameters = {"objective": "binary:logistic", "base_score": 0.3, "max_depth": 4, "nthread": 1}
    return xgboost.train(parameters, xgboost.DMatrix(x, y.astype(float), nthread=1), 20)


def packed(booster: xgboost.Booster) -> PackedTrees:
    return PackedTrees(json.loads(bytes(booster.save_raw("json"))))


def test_packed_trees_give_the_margins_of_xgboost(booster: xgboost.Booster) -> None:
    trees = packed(booster)
    rows = trees.probes(200)
    theirs = booster.inplace_predict(rows, predict_type="margin", missing=np.nan)

    assert np.isnan(rows).any()
    assert [trees.margin(row) for row in rows] == pytest.approx(theirs.tolist(), abs=1e-5)


def test_contributions_are_those_along_the_path_and_add_up(booster: xgboost.Booster) -> None:
    trees = packed(booster)
    rows = trees.probes(50)
    matrix = xgboost.DMatrix(rows, nthread=1)
    theirs = booster.predict(matrix, pred_contribs=True, approx_contribs=True)
    for row, their in zip(rows, theirs, strict=True):
        margin, contributions = trees.margin_and_contributions(row)

        assert margin == pytest.approx(trees.margin(row), abs=1e-9)
        assert contributions.sum() == pytest.approx(margin, abs=1e-6)
        assert contributions == pytest.approx(their, abs=1e-4)


def test_trees_that_disagree_with_xgboost_are_refused(booster: xgboost.Booster) -> None:
    model = json.loads(bytes(booster.save_raw("json")))
    tree = model["learner"]["gradient_booster"]["model"]["trees"][3]
    tree["split_conditions"] = [value + 0.5 for value in tree["split_conditions"]]

    check_parity(packed(booster), booster)
    with pytest.raises(ModelUnavailable, match="differ"):
        check_parity(PackedTrees(model), booster)


def test_other_kinds_of_models_are_refused(booster: xgboost.Booster) -> None:
    model = json.loads(bytes(booster.save_raw("json")))
    model["learner"]["objective"]["name"] = "multi:softprob"

    with pytest.raises(ModelUnavailable, match="binary:logistic"):
        PackedTrees(model)


def test_a_model_survives_its_json(booster: xgboost.Booster) -> None:
    again = booster_of(json.loads(bytes(booster.save_raw("json"))))
    rows = packed(booster).probes(20)

    assert again.inplace_predict(rows).tolist() == booster.inplace_predict(rows).tolist()
