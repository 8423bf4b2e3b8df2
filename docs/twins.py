"""Pairs of small programs, a pair for each lesson: one fails, the other differs from it in that alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Program:
    """A training program of forty lines, and everything that can be wrong with it."""

    data: str = "moons"
    scale: float = 1.0
    offset: float = 0.0  # of the inputs, after scaling
    widths: tuple[int, ...] = (32, 32)
    attention: float | None = None  # factor on the starting queries and keys of a layer of attention in their place
    activation: str = "relu"
    start: float | None = None  # standard deviation of the starting weights; None: that of PyTorch
    bias: float | None = None
    batch_norm: float | None = None  # its momentum
    dropout: float = 0.0
    loss: str = "cross_entropy"
    sign: float = 1.0
    reduction: str = "mean"
    optimizer: str = "adam"
    learning_rate: float = 0.01
    options: Mapping[str, float] = field(default_factory=dict)
    decay: float = 1.0  # factor of the learning rate, per epoch
    clip: float | None = None
    batch: int = 32
    epochs: int = 30
    shuffle: bool = True
    zero: bool = True  # whether gradients are set to zero
    given: str = "all"  # which parameters the optimizer gets


@dataclass(frozen=True)
class Twins:
    """A failing program, its mended twin, and what to draw of both.

    draw   (field of the record, layer or class), the last axis at -1
    fails, mends  what to say of them, in English and Chinese
    """

    failing: Program
    mended: Program
    draw: tuple[str, int]
    fails: tuple[str, str]
    mends: tuple[str, str]


BASE = Program()
DESCENT = replace(BASE, optimizer="sgd", learning_rate=0.1)
DIGITS = Program(data="digits", widths=(64, 64), epochs=12, learning_rate=0.002)
NUMBERS = Program(data="numbers", loss="mse", epochs=40)
SCORE, LOSS = ("train_metric", 0), ("step_loss", 0)
Said = tuple[str, str]  # in English and in Chinese


def _twins(
    mended: Program, draw: tuple[str, int], fails: tuple[str, str], mends: tuple[str, str], **wrong: Any
) -> Twins:
    return Twins(replace(mended, **wrong), mended, draw, fails, mends)


TWINS = {
    "vanishing_gradient": _twins(
        replace(BASE, widths=(24,) * 8, activation="relu", learning_rate=0.003), ("gradient_rms", 0),
        ("first of nine layers, sigmoid", "九层中的第一层，sigmoid"), ("the same with ReLU", "同样的网络，ReLU"),
        activation="sigmoid",
    ),
    "saturated_activation": _twins(
        replace(DIGITS, activation="tanh", widths=(64,) * 3, optimizer="sgd", learning_rate=0.01), ("saturated", 1),
        ("tanh, weights with spread 3", "tanh，权重标准差为 3"),
        ("tanh, PyTorch's own start", "tanh，PyTorch 的默认初始化"),
        start=3.0,
    ),
    "dying_relu": _twins(
        DIGITS, ("dead", 0), ("biases start at -20", "偏置从 -20 开始"), ("biases start near 0", "偏置从 0 附近开始"),
        bias=-20.0,
    ),
    "representation_collapse": _twins(
        replace(BASE, widths=(24,) * 8, activation="relu", learning_rate=0.003), ("unit_std", -2),
        ("last of eight hidden layers, sigmoid", "八个隐藏层的最后一层，sigmoid"),
        ("the same with ReLU", "同样的网络，ReLU"),
        activation="sigmoid",
    ),
    "missing_nonlinearity": _twins(
        BASE, SCORE, ("no activation", "没有激活函数"), ("ReLU", "ReLU"), activation="identity"
    ),
    "bad_activation": _twins(
        replace(DIGITS, widths=(64, 64, 64), epochs=6), SCORE, ("softmax in hidden layers", "隐藏层用 softmax"),
        ("ReLU in hidden layers", "隐藏层用 ReLU"), activation="softmax",
    ),
    "exploding_activation": _twins(
        replace(DIGITS, widths=(64,) * 6, optimizer="sgd", learning_rate=0.01, epochs=4), ("activation_std", -2),
        ("weights with spread 1", "权重标准差为 1"), ("PyTorch's own start", "PyTorch 的默认初始化"), start=1.0,
    ),
    "batch_too_small": _twins(
        replace(DIGITS, optimizer="sgd", learning_rate=0.1, epochs=4), ("validation_metric", 0),
        ("one row per step", "每步 1 个样本"), ("32 rows per step", "每步 32 个样本"), batch=1,
    ),
    "batch_too_large": _twins(
        replace(BASE, epochs=30, learning_rate=0.001, batch=16), SCORE, ("all rows in one batch", "全部样本一批"),
        ("16 rows per batch", "每批 16 个样本"), batch=700,
    ),
    "not_shuffled": _twins(
        replace(BASE, data="sorted", epochs=12, learning_rate=0.03),
        SCORE, ("in the order of the table", "按表中的顺序"),
        ("shuffled", "打乱顺序"), shuffle=False,
    ),
    "constant_inputs": _twins(
        BASE, SCORE, ("all inputs zero", "输入全为零"), ("the inputs as they are", "原来的输入"), data="constant"
    ),
    "unnormalized_inputs": _twins(
        replace(DIGITS, activation="tanh", optimizer="sgd", learning_rate=0.1), SCORE,
        ("inputs about 100", "输入在 100 左右"), ("standardised inputs", "标准化的输入"), offset=100.0,
    ),
    "inputs_too_small": _twins(
        replace(DESCENT, epochs=60), SCORE, ("inputs divided by 500", "输入除以 500"),
        ("standardised inputs", "标准化的输入"),
        scale=1 / 500,
    ),
    "unnormalized_targets": _twins(
        NUMBERS, SCORE, ("targets about 5,000", "目标值在 5,000 左右"), ("targets about 1", "目标值在 1 左右"),
        data="numbers in thousands",
    ),
    "data_outliers": _twins(
        replace(DESCENT, epochs=15), SCORE, ("5 rows 3,000 times as far out", "5 行放大 3,000 倍"),
        ("without them", "没有这些行"), data="outliers",
    ),
    "train_val_distribution_shift": _twins(
        BASE, ("validation_metric", 0), ("validation rows scaled otherwise", "验证样本的缩放不同"),
        ("scaled alike", "缩放相同"), data="shifted",
    ),
    "label_misalignment": _twins(
        BASE, ("validation_metric", 0), ("targets shuffled apart from their rows", "目标值与样本被分别打乱"),
        ("as they belong", "对应正确"), data="misaligned",
    ),
    "label_noise": _twins(
        replace(DIGITS, widths=(256, 256), epochs=60), ("validation_metric", 0),
        ("three labels in ten are drawn at random", "十个标签里有三个是随机的"), ("right labels", "标签正确"),
        data="digits, noise",
    ),
    "data_leakage": _twins(
        replace(BASE, data="few", epochs=100), ("validation_metric", 0),
        ("validation rows that were trained on", "验证样本参加过训练"), ("rows kept aside", "真正留出的样本"),
        data="few, leak",
    ),
    "nan_in_input": _twins(
        replace(BASE, epochs=2), LOSS, ("one NaN in the table: the line ends", "表中有一个 NaN：曲线到此为止"),
        ("the same table without it", "没有 NaN 的同一张表"), data="holes",
    ),
    "attention_logit_growth": _twins(
        replace(DIGITS, attention=1.0, learning_rate=0.005, epochs=20), SCORE,
        ("queries and keys times 30", "查询和键乘以 30"), ("PyTorch's own start", "PyTorch 的默认初始化"),
        attention=30.0,
    ),
    "class_imbalance": _twins(
        replace(BASE, data="balanced rare", epochs=4, learning_rate=0.003), ("validation_recall", 1),
        ("rare class, 3 in 100", "稀有类别，占 3%"), ("its rows count as much as the others", "两类权重相等"),
        data="rare",
    ),
    "overfitting": _twins(
        replace(BASE, data="few", widths=(4,), epochs=400, batch=16), ("validation_loss", 0),
        ("256, 256 units on 60 rows", "60 个样本，256、256 个单元"), ("4 units", "4 个单元"), widths=(256, 256),
    ),
    "over_regularized": _twins(
        DESCENT, ("weight_norm", 0), ("weight decay 1", "权重衰减 1"), ("none", "没有权重衰减"),
        options={"weight_decay": 1.0},
    ),
    "dropout_too_high": _twins(
        replace(DIGITS, widths=(64, 64, 64)), SCORE, ("dropout 0.95", "dropout 0.95"), ("dropout 0.2", "dropout 0.2"),
        dropout=0.95,
    ),
    "train_eval_mismatch": _twins(
        replace(DIGITS, batch_norm=0.1, epochs=6, offset=10.0), SCORE,
        ("batch normalisation, momentum 0.0001", "批归一化，动量 0.0001"), ("momentum 0.1", "动量 0.1"),
        batch_norm=1e-4,
    ),
    "undertrained": _twins(
        replace(DESCENT, learning_rate=0.05, epochs=80), ("train_loss", 0), ("2 epochs", "2 轮"),
        ("80 epochs", "80 轮"),
        epochs=2,
    ),
    "underfitting": _twins(
        replace(DIGITS, epochs=30), SCORE, ("1 unit in each layer", "每层 1 个单元"), ("64 units", "64 个单元"),
        widths=(1, 1),
    ),
    "symmetric_init": _twins(
        DESCENT, SCORE, ("all weights start at zero", "权重全部从零开始"), ("a random start", "随机初始化"), start=0.0
    ),
    "bad_init": _twins(
        replace(DIGITS, widths=(64,) * 4, activation="tanh"),
        SCORE, ("weights with spread 0.001", "权重标准差为 0.001"),
        ("PyTorch's own start", "PyTorch 的默认初始化"), start=1e-3, optimizer="sgd", learning_rate=0.01,
    ),
    "lr_too_high": _twins(
        replace(DIGITS, optimizer="sgd", learning_rate=0.1), LOSS, ("learning rate 3", "学习率 3"),
        ("learning rate 0.1", "学习率 0.1"), learning_rate=3.0,
    ),
    "lr_too_low": _twins(
        DIGITS, LOSS, ("learning rate 0.000001", "学习率 0.000001"), ("learning rate 0.002", "学习率 0.002"),
        learning_rate=1e-6,
    ),
    "lr_decays_too_fast": _twins(
        DESCENT, ("step_learning_rate", 0), ("a third of it after each epoch", "每轮之后降为三分之一"),
        ("constant", "保持不变"), decay=1 / 3,
    ),
    "oscillating_loss": _twins(
        replace(BASE, widths=(16,), activation="tanh", batch=8, epochs=30), ("validation_metric", 0),
        ("learning rate 1", "学习率 1"), ("learning rate 0.01", "学习率 0.01"), learning_rate=1.0,
    ),
    "loss_output_mismatch": _twins(
        DIGITS, ("train_loss", 0), ("softmax before a cross entropy that has its own", "交叉熵之前又加了 softmax"),
        ("bare outputs", "未经变换的输出"), loss="double softmax",
    ),
    "loss_sign_flipped": _twins(
        replace(DIGITS, epochs=4), SCORE, ("minus sign before the loss", "损失前多了负号"), ("without", "没有负号"),
        sign=-1.0
    ),
    "loss_reduction_sum": _twins(
        replace(DIGITS, optimizer="sgd", learning_rate=0.2), LOSS, ("sum over the batch", "对批求和"),
        ("mean over the batch", "对批取平均"), reduction="sum",
    ),
    "unsafe_logarithm": _twins(
        replace(BASE, learning_rate=0.1, epochs=60), LOSS, ("-log of a sigmoid", "对 sigmoid 取 -log"),
        ("the loss on logits", "以 logit 为输入的损失"), loss="bare logarithm",
    ),
    "exploding_gradient": _twins(
        replace(DIGITS, widths=(64,) * 6, optimizer="sgd", learning_rate=0.01, epochs=4), ("gradient_norm", 0),
        ("weights with spread 1", "权重标准差为 1"), ("PyTorch's own start", "PyTorch 的默认初始化"), start=1.0,
    ),
    "nan_or_inf": _twins(
        replace(NUMBERS, optimizer="sgd", learning_rate=0.05), LOSS, ("learning rate 5", "学习率 5"),
        ("learning rate 0.05", "学习率 0.05"), learning_rate=5.0,
    ),
    "parameters_not_updated": _twins(
        replace(DIGITS, widths=(8, 8), epochs=20, learning_rate=0.01), SCORE,
        ("only the last layer is in the optimizer", "优化器里只有最后一层"),
        ("all layers are", "所有层都在"), given="last",
    ),
    "gradients_not_zeroed": _twins(
        DESCENT, LOSS, ("no zero_grad", "没有 zero_grad"), ("zero_grad in each step", "每步都 zero_grad"), zero=False
    ),
    "momentum_too_high": _twins(
        replace(DIGITS, optimizer="sgd", learning_rate=0.05, options={"momentum": 0.9}), LOSS,
        ("momentum 0.999", "动量 0.999"), ("momentum 0.9", "动量 0.9"), options={"momentum": 0.999},
    ),
    "epsilon_too_large": _twins(
        DIGITS, LOSS, ("epsilon 10", "epsilon 10"), ("epsilon 0.00000001", "epsilon 0.00000001"), options={"eps": 10.0}
    ),
    "clipping_too_tight": _twins(
        DESCENT, LOSS, ("clipped to a norm of 0.001", "裁剪到范数 0.001"), ("not clipped", "不裁剪"), clip=1e-3
    ),
}  # fmt: skip
