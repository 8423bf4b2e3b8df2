"""Laws over all rules: each speaks about its fault, none about a healthy run, none fails where things are missing."""

import inspect
import re
from dataclasses import fields, replace

import numpy as np
import pytest

from diagnosis.runs import FAULTS, MOMENTS, healthy, table, unlearned
from trivium.catalog import members
from trivium.diagnosis import rules
from trivium.diagnosis.finding import Finding
from trivium.diagnosis.ranking import diagnose, ranked
from trivium.diagnosis.record import ARRAYS, RunRecord
from trivium.diagnosis.signals import Signals

RULES = members(rules)
every_rule = pytest.mark.parametrize("name", RULES)


def test_every_rule_has_a_run_with_its_fault():
    assert set(FAULTS) == set(RULES)


@every_rule
def test_a_rule_speaks_about_its_fault(name):
    finding = RULES[name](Signals(FAULTS[name]))
    assert isinstance(finding, Finding)
    assert finding.name == name
    assert finding.family == RULES[name].__module__.split(".")[3]  # a file, or a folder of them
    assert finding.evidence
    assert finding.remedies
    assert 0 < finding.confidence <= 1
    for text in (finding.symptom, finding.cause, *(remedy.text for remedy in finding.remedies)):
        assert text[0].isupper() or text[0].isdigit()
        assert text[-1] in ".?"
        assert "nan" not in text


@every_rule
def test_a_rule_says_nothing_about_a_healthy_run(name):
    assert RULES[name](Signals(healthy())) is None


@every_rule
@pytest.mark.parametrize("missing", ["everything", "series", "facts"])
def test_a_rule_says_nothing_where_nothing_is_known(name, missing):
    record = unlearned()
    if missing == "everything":
        record = RunRecord()
    elif missing == "series":
        record = replace(RunRecord(), layers=record.layers, facts=healthy().facts)
    else:
        record = replace(healthy(), facts={})
    assert RULES[name](Signals(record)) is None


@every_rule
def test_a_rule_names_its_source(name):
    assert re.search(r"Source: .+\d{4}|Source: .+documentation|IEEE", inspect.getdoc(RULES[name]) or "")


def test_a_record_with_any_series_missing_is_diagnosed():
    for name in ARRAYS:
        for base in (healthy(), *list(FAULTS.values())[:6]):
            verdict = diagnose(replace(base, **{name: np.zeros(0)}))
            assert verdict.skipped == [], name


def test_a_rule_that_fails_is_skipped():
    def broken_rule(run):
        raise ZeroDivisionError("no")

    verdict = diagnose(healthy(), [broken_rule])
    assert verdict.findings == []
    assert verdict.skipped == [{"what": "rule broken_rule", "why": "ZeroDivisionError: no"}]


def test_a_column_that_is_better_on_a_handful_of_rows_is_no_leak():
    facts = {"overlap": 0.0, "single": 1.0, "without_single": 0.87, "single_column": 2}
    assert RULES["data_leakage"](Signals(healthy(data={**facts, "kept_rows": 15}))) is None
    assert RULES["data_leakage"](Signals(healthy(data={**facts, "kept_rows": 300}))) is not None


def test_a_start_that_knows_nothing_of_a_rare_class_is_no_fault():
    """Where 96 of 100 rows are of one class a constant has a loss of 0.17, and knowing nothing one of 0.69."""
    run = unlearned(targets={"kind": "classes", "classes": 2, "counts": [960, 40]}, loss={"baseline": 0.17})
    for first, wrong in ((0.8, False), (3.5, True)):
        record = replace(run, train_loss=np.concatenate([[first], run.train_loss[1:]]))
        assert (RULES["bad_init"](Signals(record)) is not None) == wrong


@pytest.mark.parametrize("name", ["underfitting", "undertrained"])
def test_where_nearly_all_rows_are_of_one_class_the_loss_tells_of_learning(name):
    """A constant is right on 96 of 100 and simple models are on no more; how sure they may be is told by the loss."""
    facts = {"targets": {"kind": "classes", "classes": 2, "counts": [960, 40]}, "loss": {"baseline": 0.17}}
    run = unlearned(
        0.96, data={"majority": 0.96, "reference": 0.96}, run={"steps": 20 if name == "undertrained" else 300}, **facts
    )
    for last, found in ((0.16, True), (0.11, False)):
        record = replace(run, validation_loss=np.linspace(0.3, last, len(run.validation_loss)))
        assert (RULES[name](Signals(record)) is not None) == found


def from_zero(ratio, last, gradient=(0.02, 0.03, 0.05)):
    """A run whose last layer starts at zero and grows by `last` in each update; the others move by `ratio`."""
    ratios, norms = table(ratio, ratio, 0.0), table(5.0, 5.0, 0.0)
    norms[:, 2] = last * MOMENTS
    ratios[:, 2] = [np.nan, *(1 / MOMENTS[1:])]
    return Signals(replace(unlearned(), update_ratio=ratios, weight_norm=norms, gradient_rms=table(*gradient)))


def test_a_layer_that_starts_at_zero_grows_by_its_own_size_at_any_rate():
    assert RULES["lr_too_high"](from_zero(0.005, 0.01)) is None
    assert RULES["lr_too_high"](from_zero(0.5, 0.01)) is not None
    assert RULES["lr_too_high"](from_zero(0.005, 100.0)) is not None
    assert RULES["lr_too_low"](from_zero(1e-6, 1e-6)) is not None
    assert RULES["lr_too_low"](from_zero(0.005, 0.01)) is None


def test_a_last_layer_near_zero_is_no_vanishing_gradient():
    assert RULES["vanishing_gradient"](from_zero(1e-6, 1e-6, (1e-7, 1e-7, 0.05))) is None
    assert RULES["vanishing_gradient"](from_zero(0.005, 0.01, (1e-9, 1e-4, 0.05))) is not None


def test_weights_that_grew_are_not_over_regularized():
    decay = {"name": "adamw", "weight_decay": 0.01, "learning_rate": 3.0}
    run = replace(unlearned(optimizer=decay), step_learning_rate=np.full(300, 3.0))
    grown = run.weight_norm * np.linspace(1, 20, len(MOMENTS))[:, None]
    assert RULES["over_regularized"](Signals(replace(run, weight_norm=grown))) is None
    assert RULES["over_regularized"](Signals(replace(run, weight_norm=grown[::-1]))) is not None


@pytest.mark.parametrize("name", ["lr_too_high", "lr_too_low"])
@pytest.mark.parametrize("ratio", [1e-6, 9e-4, 0.03, 0.5])
def test_a_change_of_the_rate_is_a_change(name, ratio):
    """And no run is told to go both ways."""
    run = Signals(replace(unlearned(), update_ratio=table(ratio, ratio, ratio), step_loss=np.r_[1, 9, np.ones(298)]))
    found = RULES[name](run)
    if found is not None:
        assert "by 1." not in found.remedies[0].text
    assert RULES["lr_too_high"](run) is None or RULES["lr_too_low"](run) is None


def test_curvature_and_noise_are_evidence_where_they_were_measured():
    thrown = replace(
        FAULTS["lr_too_high"],
        sharpness=np.array([40.0]), sharpness_step=np.array([0]),
        facts={**FAULTS["lr_too_high"].facts, "optimizer": {"name": "sgd", "learning_rate": 1.0, "momentum": 0.0}},
    )  # fmt: skip
    run = Signals(thrown)
    assert run.steepness == pytest.approx(20 * run.learning_rate)
    shown = [one for one in RULES["lr_too_high"](run).evidence if one.measured]
    assert [one.value for one in shown if one.source == "Cohen et al. 2021"] == [run.steepness]
    assert not [one for one in RULES["lr_too_high"](Signals(FAULTS["lr_too_high"])).evidence[3:] if one.measured]
    noisy = replace(FAULTS["batch_too_small"], noise_scale=np.array([np.nan, 60.0, 100.0]), noise_step=np.arange(3))
    assert Signals(noisy).noise == 80 / Signals(noisy).batch
    assert [one.value for one in RULES["batch_too_small"](Signals(noisy)).evidence][1] == Signals(noisy).noise


def test_a_healthy_run_is_called_so_with_its_numbers():
    verdict = diagnose(healthy())
    assert verdict.findings == []
    assert "0.950" in verdict.healthy
    assert "learned what the data allow" in str(verdict)


def test_the_root_comes_first_and_marks_its_consequences():
    nan = replace(FAULTS["nan_or_inf"], facts={**FAULTS["nan_or_inf"].facts, "data": {"nan": 4, "rows": 9}})
    verdict = diagnose(nan)
    assert verdict.findings[0].name == "nan_in_input"
    assert verdict.findings[0].because_of is None
    assert {finding.because_of for finding in verdict.findings[1:]} == {"nan_in_input"}


def test_quiet_findings_stand_last():
    def make(name, severity, depth):
        return Finding(name, "loss", severity, "S.", "C.", depth=depth)

    order = ranked([make("quiet", "info", 0), make("deep", "error", 1), make("late", "error", 4)])
    assert [finding.name for finding in order] == ["deep", "late", "quiet"]
    assert order[1].because_of == "deep"
    assert order[2].because_of is None


def test_changes_are_named_after_parameters_of_the_estimators():
    from trivium import NeuralClassifier

    known = set(NeuralClassifier().get_params())
    given = {
        key
        for name, record in FAULTS.items()
        for remedy in RULES[name](Signals(record)).remedies
        for key in remedy.changes
    }
    assert given
    assert given <= known


def test_a_finding_has_all_its_fields_in_json():
    verdict = diagnose(FAULTS["lr_too_high"])
    assert set(verdict.to_json()["findings"][0]) == {entry.name for entry in fields(Finding)}


def test_a_run_that_was_ended_from_outside_is_too_short_and_its_network_not_too_small():
    run = Signals(unlearned(0.6, run={"finished": False}))
    assert RULES["underfitting"](run) is None
    found = RULES["undertrained"](run)
    assert found is not None
    assert "300 updates" in found.symptom
    assert RULES["undertrained"](Signals(unlearned(0.6, run={"finished": True}))) is None


def test_a_rate_is_proved_too_high_by_what_is_beyond_its_bound():
    run = replace(FAULTS["lr_too_high"], step_loss=np.array([1.0, 1e9, 1e9, 1e9, 1e9]))
    found = RULES["lr_too_high"](Signals(run))
    assert found.evidence
    assert all(one.value > one.threshold for one in found.evidence)
    assert found.remedies[0].changes == {"learning_rate": {"times": 1e-3}}
