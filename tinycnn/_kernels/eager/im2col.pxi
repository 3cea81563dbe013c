# Patches of images as columns (first version: plain loops).


def im2col(const real[:, :, :, ::1] x, real[:, :, :, :, :, ::1] cols, ix stride_h, ix stride_w, ix dilation_h,
           ix dilation_w, ix top, ix left):  # IN (N, C, H, W)  OUT (N, C, KH, KW, OH, OW)
    cdef ix n, c, i, j, u, v, r, q
    for n in range(cols.shape[0]):
        for c in range(cols.shape[1]):
            for i in range(cols.shape[2]):
                for j in range(cols.shape[3]):
                    for u in range(cols.shape[4]):
                        r = u*stride_h + i*dilation_h - top
                        for v in range(cols.shape[5]):
                            q = v*stride_w + j*dilation_w - left
                            cols[n, c, i, j, u, v] = (x[n, c, r, q] if 0 <= r < x.shape[2] and 0 <= q < x.shape[3]
                                                      else 0)


def col2im(const real[:, :, :, :, :, ::1] cols, real[:, :, :, ::1] gx, ix stride_h, ix stride_w, ix dilation_h,
           ix dilation_w, ix top, ix left):  # IN (N, C, KH, KW, OH, OW)  INOUT (N, C, H, W)
    cdef ix n, c, i, j, u, v, r, q
    for n in range(cols.shape[0]):
        for c in range(cols.shape[1]):
            for i in range(cols.shape[2]):
                for j in range(cols.shape[3]):
                    for u in range(cols.shape[4]):
                        r = u*stride_h + i*dilation_h - top
                        for v in range(cols.shape[5]):
                            q = v*stride_w + j*dilation_w - left
                            if 0 <= r < gx.shape[2] and 0 <= q < gx.shape[3]:
                                gx[n, c, r, q] += cols[n, c, i, j, u, v]
