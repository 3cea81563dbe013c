"""Small networks to measure."""
from tinycnn import nn
from tinycnn.detection.necks import FeaturePyramidNetwork
from tinycnn.models import create_model


class ToyDetector(nn.Module):
    """Backbone, neck and head of a detector; a list of maps for each level."""

    def __init__(self):
        self.backbone = create_model("shufflenet_v2_x0_5", features_only=True, out_indices=(3, 4))
        self.fpn = FeaturePyramidNetwork(self.backbone.channels, 16)
        self.head = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 4, 1))

    def forward(self, x):
        maps = [self.head(m) for m in self.fpn(self.backbone(x))]
        return [m.transpose(0, 2, 3, 1).reshape(m.shape[0], -1, 4) for m in maps]


class Block(nn.Module):
    """A stem, an inverted residual, a classifier."""

    def __init__(self):
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU6())
        self.expand = nn.Sequential(nn.Conv2d(16, 96, 1, bias=False), nn.BatchNorm2d(96), nn.ReLU6())
        self.depthwise = nn.Sequential(nn.Conv2d(96, 96, 3, padding=1, groups=96, bias=False), nn.BatchNorm2d(96),
                                       nn.ReLU6())
        self.project = nn.Sequential(nn.Conv2d(96, 16, 1, bias=False), nn.BatchNorm2d(16))
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(16, 10)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.project(self.depthwise(self.expand(x)))
        return self.fc(self.pool(x).reshape(x.shape[0], -1))
