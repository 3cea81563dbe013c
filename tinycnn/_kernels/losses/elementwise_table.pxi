# The element-wise losses by name.
cdef struct PairLoss:
    pair_span span
    pair_slope slope            # of x
    pair_slope target_slope     # of t; NULL: minus that of x


cdef PairLoss pair_loss(str kind) except *:
    if kind == "l1":
        return PairLoss(l1_span, l1_slope, NULL)
    if kind == "mse":
        return PairLoss(mse_span, mse_slope, NULL)
    if kind == "smooth_l1":
        return PairLoss(smooth_l1_span, smooth_l1_slope, NULL)
    if kind == "huber":
        return PairLoss(huber_span, huber_slope, NULL)
    if kind == "wing":
        return PairLoss(wing_span, wing_slope, NULL)
    if kind == "bce":
        return PairLoss(bce_span, bce_slope, bce_target_slope)
    if kind == "bce_logits":
        return PairLoss(bce_logits_span, bce_logits_slope, bce_logits_target_slope)
    if kind == "focal":
        return PairLoss(focal_span, focal_slope, focal_target_slope)
    if kind == "hinge":
        return PairLoss(hinge_span, hinge_slope, NULL)
    if kind == "kl":
        return PairLoss(kl_span, kl_slope, kl_target_slope)
    require(kind == "kl_log", "elementwise_loss: there is no loss of this kind")
    return PairLoss(kl_log_span, kl_log_slope, kl_log_target_slope)
