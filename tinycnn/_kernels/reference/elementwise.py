"""Losses of pairs of numbers: what each kind is, and its two gradients."""
import numpy as np

_LEAST = np.finfo(float).tiny


def _softplus(x):
    return np.logaddexp(0, x)


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(x / 2))


def _log(x):
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(x), -100)


def _log_of(t):
    """log t, and 0 where t is 0: there it is multiplied by t."""
    return np.log(np.where(t == 0, 1, t))


def _l1(x, t, other, a, b, c):
    return np.abs(x - t)


def _l1_gradient(x, t, other, a, b, c):
    return np.sign(x - t)


def _mse(x, t, other, a, b, c):
    return (x - t) ** 2


def _mse_gradient(x, t, other, a, b, c):
    return 2 * (x - t)


def _smooth_l1(x, t, other, a, b, c):
    d = np.abs(x - t)
    return np.where(d < a, d * d / (2 * a), d - a / 2)


def _smooth_l1_gradient(x, t, other, a, b, c):
    return np.clip((x - t) / a, -1, 1)


def _huber(x, t, other, a, b, c):
    d = np.abs(x - t)
    return np.where(d < a, d * d / 2, a * (d - a / 2))


def _huber_gradient(x, t, other, a, b, c):
    return np.clip(x - t, -a, a)


def _wing(x, t, other, a, b, c):
    d = np.abs(x - t)
    return np.where(d < a, a * np.log1p(d / b), d - c)


def _wing_gradient(x, t, other, a, b, c):
    d = np.abs(x - t)
    return np.sign(x - t) * np.where(d < a, a / (b + d), 1)


def _bce(x, t, other, a, b, c):
    return -t * _log(x) - (1 - t) * _log(1 - x)


def _bce_gradient(x, t, other, a, b, c):
    return (x - t) / np.maximum(x * (1 - x), 1e-12)


def _bce_target_gradient(x, t, other, a, b, c):
    return _log(1 - x) - _log(x)


def _bce_logits(x, t, other, a, b, c):
    return t * other * _softplus(-x) + (1 - t) * _softplus(x)


def _bce_logits_gradient(x, t, other, a, b, c):
    return (1 - t) * _sigmoid(x) - t * other * _sigmoid(-x)


def _bce_logits_target_gradient(x, t, other, a, b, c):
    return other * _softplus(-x) - _softplus(x)


def _focal_parts(x, t, a, b):
    """alpha_t, its derivative by t, q, q^b and the cross-entropy."""
    p, no = _sigmoid(x), _sigmoid(-x)
    q = np.maximum(p * (1 - t) + no * t, _LEAST)
    alpha, slope = (1, 0) if a < 0 else (a * t + (1 - a) * (1 - t), 2 * a - 1)
    return alpha, slope, q, q ** b, t * _softplus(-x) + (1 - t) * _softplus(x)


def _focal(x, t, other, a, b, c):
    alpha, _, _, power, entropy = _focal_parts(x, t, a, b)
    return alpha * power * entropy


def _focal_gradient(x, t, other, a, b, c):
    alpha, _, q, power, entropy = _focal_parts(x, t, a, b)
    p, no = _sigmoid(x), _sigmoid(-x)
    return alpha * power * (p * (1 - t) - no * t + b * entropy * (p * no * (1 - 2 * t) / q))


def _focal_target_gradient(x, t, other, a, b, c):
    alpha, slope, q, power, entropy = _focal_parts(x, t, a, b)
    return power * (slope * entropy - alpha * x + alpha * b * entropy * ((_sigmoid(-x) - _sigmoid(x)) / q))


def _hinge(x, t, other, a, b, c):
    return np.maximum(0, a - t * x)


def _hinge_gradient(x, t, other, a, b, c):
    return np.where(a >= t * x, -t, 0)


def _kl(x, t, other, a, b, c):
    return np.where(t == 0, 0, t * (_log_of(t) - x))


def _kl_gradient(x, t, other, a, b, c):
    return -t


def _kl_target_gradient(x, t, other, a, b, c):
    return np.where(t == 0, 0, _log_of(t) - x + 1)


def _kl_log(x, t, other, a, b, c):
    return np.exp(t) * (t - x)


def _kl_log_gradient(x, t, other, a, b, c):
    return -np.exp(t)


def _kl_log_target_gradient(x, t, other, a, b, c):
    return np.exp(t) * (t - x + 1)


_KINDS = {  # a loss, its gradient by x, its gradient by the target (None: minus that by x)
    "l1": (_l1, _l1_gradient, None),
    "mse": (_mse, _mse_gradient, None),
    "smooth_l1": (_smooth_l1, _smooth_l1_gradient, None),
    "huber": (_huber, _huber_gradient, None),
    "wing": (_wing, _wing_gradient, None),
    "bce": (_bce, _bce_gradient, _bce_target_gradient),
    "bce_logits": (_bce_logits, _bce_logits_gradient, _bce_logits_target_gradient),
    "focal": (_focal, _focal_gradient, _focal_target_gradient),
    "hinge": (_hinge, _hinge_gradient, None),
    "kl": (_kl, _kl_gradient, _kl_target_gradient),
    "kl_log": (_kl_log, _kl_log_gradient, _kl_log_target_gradient),
}


def elementwise_loss_forward(x, target, weight, other, kind, a, b, c, each):  # IN (n,) x 4  OUT (n,) or None
    """The weighted losses in each, or their sum returned."""
    losses = _KINDS[kind][0](x, target, 1 if other is None else other, a, b, c) * (1 if weight is None else weight)
    if each is None:
        return float(losses.sum())
    each[:] = losses
    return 0.0


def elementwise_loss_backward(x, target, weight, other, kind, a, b, c, g, to_target, gx):  # IN (n,) x 4, g  OUT (n,)
    """gx = g w df/dx, or df/dt."""
    _, slope, target_slope = _KINDS[kind]
    if to_target:
        slope, g = (slope, -g) if target_slope is None else (target_slope, g)
    gx[:] = g * slope(x, target, 1 if other is None else other, a, b, c) * (1 if weight is None else weight)
