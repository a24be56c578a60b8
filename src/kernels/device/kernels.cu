// Message passing and reductions over graphs, one thread an element of the result: sums run in a fixed order,
// so results have the same bits every time. REAL and NAME(x) are set by the text that is put in front.

// y_i = row_i (sum over sources j of col_j x_j + own_i col_i x_i)
extern "C" __global__ void NAME(propagate)(
    const unsigned *offsets, const unsigned *sources,
    const REAL *row, const REAL *col, const REAL *own,
    const REAL *x, REAL *y, unsigned n_rows, unsigned width)
{
    unsigned long long at = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (unsigned long long)n_rows * width) return;
    unsigned i = at / width, f = at % width;
    REAL sum = own[i] == 0 ? (REAL)0 : own[i] * col[i] * x[at];
    for (unsigned e = offsets[i]; e < offsets[i + 1]; ++e) {
        unsigned long long j = sources[e];
        sum += col[j] * x[j * width + f];
    }
    y[at] = row[i] * sum;
}

// kind 0: sum, 1: mean, 2: max; an empty segment gives 0
extern "C" __global__ void NAME(segment_reduce)(
    const unsigned *offsets, const REAL *x, REAL *y, unsigned n_segments, unsigned width, unsigned kind)
{
    unsigned long long at = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (unsigned long long)n_segments * width) return;
    unsigned g = at / width, f = at % width, first = offsets[g], end = offsets[g + 1];
    REAL value = 0;
    for (unsigned long long i = first; i < end; ++i) {
        REAL xi = x[i * width + f];
        // A NaN stays.
        if (kind == 2) value = (i == first || xi > value || xi != xi) ? xi : value;
        else value += xi;
    }
    if (kind == 1 && end > first) value /= (REAL)(end - first);
    y[at] = value;
}

// The gradient of segment_reduce; rows that share a maximum share its gradient.
extern "C" __global__ void NAME(segment_spread)(
    const unsigned *offsets, const REAL *x, const REAL *y, const REAL *dy, REAL *dx,
    unsigned n_segments, unsigned width, unsigned kind)
{
    unsigned long long at = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (unsigned long long)n_segments * width) return;
    unsigned g = at / width, f = at % width, first = offsets[g], end = offsets[g + 1];
    REAL share = dy[at];
    if (kind == 1) share /= (REAL)(end > first ? end - first : 1);
    if (kind == 2) {
        unsigned ties = 0;
        for (unsigned long long i = first; i < end; ++i) ties += x[i * width + f] == y[at];
        share /= (REAL)(ties ? ties : 1);
    }
    for (unsigned long long i = first; i < end; ++i)
        dx[i * width + f] = (kind != 2 || x[i * width + f] == y[at]) ? share : (REAL)0;
}
