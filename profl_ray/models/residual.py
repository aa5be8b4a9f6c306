"""The basic residual block of ResNets (He et al., CVPR 2016, section 3.3), named as in torchvision's.

Not torchvision's own: importing that brings PyTorch's compiler into every client actor, 100 MiB and two
seconds.
"""

from torch import Tensor, nn

from profl_ray.models.strided import conv1x1


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where shapes differ."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(out_channels, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                conv1x1(in_channels, out_channels, stride), nn.BatchNorm2d(out_channels)
            )

    def forward(self, features: Tensor) -> Tensor:
        """[N, in_channels, H, W] -> [N, out_channels, H / stride, W / stride]."""
        # One name, and the shortcut last: nothing is held at the peak that is not needed any more.
        residual = self.conv1(features)
        residual = self.relu(self.bn1(residual))
        residual = self.conv2(residual)
        residual = self.bn2(residual)
        residual += features if self.downsample is None else self.downsample(features)
        return self.relu(residual)


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution without bias that keeps the image's size but for its stride."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)
