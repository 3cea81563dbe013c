"""GoogLeNet and the Inceptions that followed it; images of 299 pixels where their papers have them.

Light ones have a quarter of the filters, and padding where the smallest image would leave no map.  pytorchcv's
BN-Inception takes no odd sizes: where a convolution and a pooling halve a map side by side, they round it differently.
"""
from types import MappingProxyType

from . import inception_cuts as cuts
from .facts import LATER, Facts

SMALL = MappingProxyType({"width": 0.25, "padded": True})
FACTS = {
    # of parameters, 6_379_984 are those of the auxiliary heads; they take no part in the multiply-adds, which the paper
    # too gives as 1.5 G
    "googlenet": Facts(13_004_888, 1498.4, 1500, "torchvision:googlenet", dropout=True,
                       options=MappingProxyType({"dropout_aux": 0.0, "init_weights": False}),
                       cut=cuts.lighter, light=MappingProxyType({"width": 0.25}),
                       undropped=MappingProxyType({"drop_rate": 0.0, "aux_drop_rate": 0.0})),
    # counted: the paper gives no figure for table 1 with filters that it names
    "inception_v2": Facts(24_027_240, 5577.0, 5577, None, size=299, **LATER,
                          light=SMALL),
    # torchvision's figure; the paper speaks of 5 G and fewer than 25 M parameters, which are 23_834_568 without the
    # auxiliary head
    "inception_v3": Facts(27_161_264, 5713.2, 5713, "torchvision:inception_v3", dropout=True, size=299,
                          options=MappingProxyType({"init_weights": False}), cut=cuts.inception_v3,
                          light=SMALL),
    # V4, and the residual V2: timm's tables of benchmarks; for the residual V1 no figure is known: counted
    "inception_v4": Facts(42_679_816, 12254.0, 12280, "timm:inception_v4", size=299, cut=cuts.lighter, light=SMALL,
                          learning_rate=0.005),
    "inception_resnet_v1": Facts(23_995_624, 6308.2, 6308, "facenet:InceptionResnetV1", size=299, cut=cuts.lighter,
                                 light=SMALL, **LATER),
    "inception_resnet_v2": Facts(55_843_464, 13155.8, 13180, "timm:inception_resnet_v2", size=299, cut=cuts.lighter,
                                 light=SMALL),
    # Hu et al., table 2, have 2.03 and 2.04 G of both; nothing that installs has the second
    "bn_inception": Facts(11_295_240, 2032.6, 2030, "pytorchcv:bninception", renamed=True, uneven=(96, 64),
                          cut=cuts.bn_inception, light=MappingProxyType({"width": 0.25})),
    "se_bn_inception": Facts(11_941_638, 2033.2, 2040, None, light=MappingProxyType({"width": 0.25}), **LATER),
}
