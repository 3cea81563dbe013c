"""Patches of images as columns, and the adjoint."""
import numpy as np


def _taps(cols, size, stride_h, stride_w, dilation_h, dilation_w, top, left):
    """Of each kernel tap: (i, j), and the rows and columns of the padded map that it meets."""
    kernel_h, kernel_w, rows, columns = cols.shape[2:]
    for i in range(kernel_h):
        for j in range(kernel_w):
            y = i * dilation_h - top + np.arange(rows) * stride_h
            x = j * dilation_w - left + np.arange(columns) * stride_w
            inside_y, inside_x = (y >= 0) & (y < size[0]), (x >= 0) & (x < size[1])
            yield (np.s_[:, :, i, j], np.ix_(inside_y, inside_x), np.ix_(y[inside_y], x[inside_x]))


def im2col(x, cols, stride_h, stride_w, dilation_h, dilation_w, top, left):
    # IN (N, C, H, W)  OUT (N, C, KH, KW, OH, OW)
    """cols[n,c,i,j,u,v] = x[n, c, u stride_h + i dilation_h - top, v stride_w + j dilation_w - left], 0 outside x."""
    for tap, at, pixel in _taps(cols, x.shape[2:], stride_h, stride_w, dilation_h, dilation_w, top, left):
        values = np.zeros(cols[tap].shape, x.dtype)
        values[:, :, *at] = x[:, :, *pixel]
        cols[tap] = values


def col2im(cols, gx, stride_h, stride_w, dilation_h, dilation_w, top, left):
    # IN (N, C, KH, KW, OH, OW)  INOUT (N, C, H, W)
    """Adds each cols[n,c,i,j,u,v] to the element of gx that im2col takes it from."""
    for tap, at, pixel in _taps(cols, gx.shape[2:], stride_h, stride_w, dilation_h, dilation_w, top, left):
        gx[:, :, *pixel] += cols[tap][:, :, *at]
