from ..host import on_host as depthwise
