// The loops of layers whose groups have one input channel each: lanes are the channels of all groups, as the dense
// loops would leave most of them empty.

#pragma once

#include "l1_images.hpp"

namespace {

// Depthwise: x (images, height, width, padded outputs), padded; w (taps, padded outputs); y (images, pixels, padded
// outputs). An input channel that several outputs read is there once for each.
template <class T> void depthwise_forward(const T *x, const T *w, T *y, const Geometry &g, int threads) {
    using S = Simd<T>;
    const int64_t pixels = g.output_height * g.output_width, padded = S::whole(g.outputs);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t index = 0; index < g.images * pixels; index++) {
        const int64_t n = index / pixels, pixel = index % pixels;
        const T *window = x + ((n * g.height + pixel / g.output_width * g.stride_y) * g.width
                               + pixel % g.output_width * g.stride_x) * padded;
        for (int64_t o = 0; o < padded; o += S::lanes) {
            typename S::Vector sum = {};
            const T *weights = w + o;
            for (int64_t row = 0; row < g.kernel_height; row++)
                for (int64_t column = 0; column < g.kernel_width; column++, weights += padded)
                    sum -= S::abs(S::load(weights)
                                  - S::load(window + (row * g.dilation_y * g.width + column * g.dilation_x) * padded
                                            + o));
            S::store(y + index * padded + o, sum);
        }
    }
}

// x and result (images, height, width, padded outputs), not padded; gradient (images, pixels, padded outputs).
template <class T, bool Sign>
void depthwise_input_gradient(const T *x, const T *w, const T *gradient, T *result, const Geometry &g, int threads) {
    using S = Simd<T>;
    const int64_t padded = S::whole(g.outputs), plane = g.height * g.width;
    const auto by_top = reached(g.kernel_height, g.stride_y, g.padding_y, g.dilation_y);
    const auto by_side = reached(g.kernel_width, g.stride_x, g.padding_x, g.dilation_x);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t pixel = 0; pixel < g.images * plane; pixel++) {
        const int64_t n = pixel / plane, y = pixel % plane / g.width, x_ = pixel % g.width;
        const Reached &rows = by_top[y % g.stride_y], &columns = by_side[x_ % g.stride_x];
        for (int64_t o = 0; o < padded; o += S::lanes) {
            const typename S::Vector input = S::load(x + pixel * padded + o);
            typename S::Vector sum = {};
            for (size_t i = 0; i < rows.tap.size(); i++) {
                const int64_t row = rows.output[i] + y / g.stride_y;
                if (row < 0 || row >= g.output_height) continue;
                for (size_t j = 0; j < columns.tap.size(); j++) {
                    const int64_t column = columns.output[j] + x_ / g.stride_x;
                    if (column < 0 || column >= g.output_width) continue;
                    const int64_t tap = rows.tap[i] * g.kernel_width + columns.tap[j];
                    sum += S::template slope<Sign>(S::load(w + tap * padded + o) - input)
                           * S::load(gradient + ((n * g.output_height + row) * g.output_width + column) * padded + o);
                }
            }
            S::store(result + pixel * padded + o, sum);
        }
    }
}

}  // namespace
