"""Watching a PyTorch loop: it changes nothing, it survives oddities, it sees what was written."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

import trivium  # noqa: E402
from trivium.diagnosis import torch_graph as graph  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
X = torch.randn(256, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] * X[:, 1] > 0).long()


def network(*middle):
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 32), *middle, nn.Linear(32, 2))


def train(model, *, watched, epochs=4, rate=1e-2, loss_fn=functional.cross_entropy, optimizer=None, **options):
    torch.manual_seed(5)
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=rate)
    watch = None
    if watched:
        options = {"loss_fn": loss_fn, "train": (X[:200], Y[:200]), "validation": (X[200:], Y[200:])} | options
        watch = trivium.watch(model, optimizer, **options)
    for _ in range(epochs):
        for pick in torch.randperm(200).split(25):
            optimizer.zero_grad()
            loss_fn(model(X[pick]), Y[pick]).backward()
            optimizer.step()
    return watch, torch.rand(3)


@pytest.mark.parametrize(
    "middle",
    [(nn.ReLU(),), (nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.4)), (nn.Tanh(), nn.LayerNorm(32))],
    ids=["plain", "batch norm and dropout", "layer norm"],
)
def test_watching_changes_no_bit(middle):
    import copy

    plain, watched = network(*copy.deepcopy(middle)), network(*copy.deepcopy(middle))
    _, after = train(plain, watched=False)
    watch, after_watched = train(watched, watched=True, sharpness=True)
    assert len(watch.record.moment) > 5
    for a, b in zip(plain.state_dict().values(), watched.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(after, after_watched)
    watch.close()
    for a, b in zip(plain.state_dict().values(), watched.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert all(module.training for module in watched.modules())


def test_a_backward_pass_still_finds_the_buffers_it_saved():
    model = network(nn.BatchNorm1d(32), nn.ReLU())
    model.eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with trivium.watch(model, optimizer, loss_fn=functional.cross_entropy, train=(X, Y)) as watch:
        for scale in (1.0, float("inf"), 1.0):
            optimizer.zero_grad()
            (functional.cross_entropy(model(X), Y) * scale).backward()
            optimizer.step()
    assert watch.record.facts["run"]["first_nonfinite"]["step"] == 1


def test_every_hook_is_gone_afterwards():
    own, model = torch.Tensor.backward, network(nn.ReLU())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with trivium.watch(model, optimizer):
        assert torch.Tensor.backward is not own
    assert torch.Tensor.backward is own
    assert not model._forward_hooks
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


def test_two_lines_without_data_see_steps_and_layers():
    model = network(nn.ReLU())
    watch, _ = train(model, watched=True, loss_fn=functional.cross_entropy, train=None, validation=None)
    watch.close()
    record = watch.record
    assert len(record.step) == 32
    assert np.isfinite(record.step_loss).all()
    assert [layer.activation for layer in record.layers] == ["relu", None]
    assert np.isfinite(record.activation_std).all()
    assert np.isfinite(record.update_ratio[1:-1]).all()
    assert record.facts["loss"]["kind"] == "cross_entropy"
    assert record.facts["skipped"] == []


def test_the_record_has_scores_and_facts():
    watch, _ = train(network(nn.ReLU()), watched=True, epochs=6, sharpness=True)
    watch.close()
    record = watch.record
    assert record.epoch[0] == 0
    assert np.isfinite(record.validation_metric).all()
    assert record.validation_recall.shape[1] == 2
    assert record.section("run")["order"] == "shuffled"
    assert record.section("data")["reference"] > 0.6
    assert len(record.sharpness) == 2
    assert len(record.noise_scale) > 0


class Functional(nn.Module):
    """Activations as functions, not modules."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = nn.Linear(6, 16), nn.Linear(16, 16), nn.Linear(16, 2)

    def forward(self, x):
        return self.third(torch.tanh(self.second(torch.relu(self.first(x)))))


def test_activations_that_are_functions_are_recognised():
    watch, _ = train(Functional(), watched=True)
    watch.close()
    assert [layer.activation for layer in watch.record.layers] == ["relu", "tanh", None]


class Sparse(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.last = nn.Embedding(50, 8, sparse=True), nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.words((x[:, 0].abs() * 10).long().clamp(max=49)))


class Odd(nn.Module):
    """Returns a dictionary, and has a module without an output."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(6, 2)

    def forward(self, x):
        return {"scores": self.last(x), "note": "text"}


def bad_loss(outputs, targets):
    raise RuntimeError("no loss of this kind")


@pytest.mark.parametrize("case", ["sparse", "dictionary", "loss fails", "bfloat16", "lbfgs"])
def test_odd_programs_run_on(case):
    model = {"sparse": Sparse, "dictionary": Odd}.get(case, lambda: network(nn.ReLU()))()
    optimizer = {
        "sparse": lambda: torch.optim.SGD(model.parameters(), lr=0.1),
        "lbfgs": lambda: torch.optim.LBFGS(model.parameters(), max_iter=3),
    }.get(case, lambda: torch.optim.Adam(model.parameters()))()
    own = bad_loss if case == "loss fails" else functional.cross_entropy
    watch = trivium.watch(model, optimizer, loss_fn=own, train=(X[:200], Y[:200]), validation=(X[200:], Y[200:]))
    for pick in torch.arange(200).split(50):

        def closure(pick=pick):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=case == "bfloat16"):
                outputs = model(X[pick])
                outputs = outputs["scores"] if isinstance(outputs, dict) else outputs
                loss = functional.cross_entropy(outputs.float(), Y[pick])
            loss.backward()
            return loss

        if case == "lbfgs":
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
    diagnosis = watch.diagnosis
    assert len(watch.record.step) == 4
    assert isinstance(str(diagnosis), str)
    if case == "loss fails":
        assert any("no loss of this kind" in entry["why"] for entry in diagnosis.skipped)


def test_a_linear_model_on_xor_lacks_a_bend():
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = trivium.watch(model, optimizer, loss_fn=nn.MSELoss(), train=(x, y), validation=(x, y))
    for _ in range(500):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    assert "missing_nonlinearity" in [finding.name for finding in watch.findings]


def test_a_relu_that_is_dead_from_the_start_is_named():
    model = network(nn.ReLU())
    nn.init.constant_(model[0].bias, -50.0)
    watch, _ = train(model, watched=True, epochs=20)
    assert watch.diagnosis.first.name == "dying_relu"


def test_a_network_that_learns_is_healthy():
    watch, _ = train(network(nn.ReLU()), watched=True, epochs=60)
    assert watch.findings == []
    assert watch.report().startswith("Healthy")


LOGITS = torch.randn(8, 4, requires_grad=True)
LABELS = torch.arange(8) % 4
ONE_HOT = functional.one_hot(LABELS, 4).float()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda z: functional.cross_entropy(z, LABELS), {"kind": "cross_entropy", "link": ["log_softmax"]}),
        (lambda z: functional.cross_entropy(z.softmax(-1), LABELS), {"link": ["softmax", "log_softmax"]}),
        (lambda z: -functional.cross_entropy(z, LABELS), {"sign": -1}),
        (lambda z: functional.cross_entropy(z, LABELS, reduction="sum"), {"reduction": "sum"}),
        (lambda z: functional.nll_loss(z, LABELS), {"kind": "nll", "link": []}),
        (lambda z: -(ONE_HOT * z.softmax(0).log()).sum(-1).mean(), {"link_axis": -2, "safe_log": False}),
        (
            lambda z: -(ONE_HOT * z.relu().clamp(1e-7, 1).log()).sum(-1).mean(),
            {"kind": "cross_entropy", "link": ["relu"], "safe_log": True},
        ),
        (lambda z: functional.binary_cross_entropy(z.sigmoid(), ONE_HOT), {"kind": "bce", "link": ["sigmoid"]}),
        (lambda z: ((z - ONE_HOT) ** 2).mean(), {"kind": "mse", "reduction": "mean"}),
        (lambda z: (z - ONE_HOT).abs().mean(), {"kind": "mae"}),
        (lambda z: (z - ONE_HOT).pow(2).sum(1).sqrt().mean(), {"kind": "rmse"}),
    ],
)
def test_the_graph_tells_the_loss(make, expected):
    outputs = LOGITS * 1.5
    facts = graph.loss_facts(make(outputs).grad_fn, outputs.grad_fn)
    assert {name: facts[name] for name in expected} == expected


def test_the_graph_tells_a_penalty_and_a_straight_network():
    model = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2))
    outputs = model(X)
    loss = functional.cross_entropy(outputs, Y)
    assert not graph.loss_facts(loss.grad_fn, outputs.grad_fn)["penalty"]
    penalised = loss + sum(p.pow(2).sum() for p in model.parameters())
    assert graph.loss_facts(penalised.grad_fn, outputs.grad_fn)["penalty"]
    assert not graph.network_facts(outputs.grad_fn)["nonlinear"]
    assert graph.network_facts(network(nn.GELU())(X).grad_fn)["nonlinear"]
