// The loops of layers with several input channels a group. A register keeps a vector of the channels that are written:
// weights lie with those closest, filled up with zeros to whole vectors, so that one loop serves any geometry, strides
// included. Images are padded and laid out one by one, in memory that stays in the cache; padded pixels are zeros.

#pragma once

#include <vector>

#include "l1_images.hpp"

namespace {

constexpr int PIXELS = 8;  // that share a load of the weights; accumulators fill the registers

// Coordinates of PIXELS pixels of a map, row by row; a short last block repeats its last pixel.
struct Block {
    int64_t y[PIXELS], x[PIXELS];

    Block(int64_t first, int64_t height, int64_t width) {
        int64_t row = first / width, column = first % width;  // one division a block: eight take as long as a tap
        for (int p = 0; p < PIXELS; p++) {
            y[p] = row;
            x[p] = column;
            if (column + 1 < width) {
                column++;
            } else if (row + 1 < height) {
                row++;
                column = 0;
            }
        }
    }
};

// Where a term of a sum finds its weight and its value, from those of the first. In one list, as a loop for each tap
// would take longer to set up than few channels take.
struct Term {
    int64_t weight, value;
};

// The innermost loop: sum[p] of term(p, weight, value). Never inlined, as it needs all registers there are.
template <class T, class Function>
__attribute__((noinline)) void add_up(const std::vector<Term> &terms, const T *weights,
                                      const T *const (&values)[PIXELS], typename Simd<T>::Vector (&sum)[PIXELS],
                                      const Function term) {
    typename Simd<T>::Vector partial[PIXELS] = {};
    const T *from[PIXELS];
    std::copy_n(values, PIXELS, from);
    for (const Term &t : terms) {
        const auto weight = Simd<T>::load(weights + t.weight);
        for (int p = 0; p < PIXELS; p++) partial[p] += term(p, weight, from[p][t.value]);
    }
    std::copy_n(partial, PIXELS, sum);
}

// x (images, channels, height, width) with any strides; w (groups, taps, channels, padded outputs); y (images, pixels,
// outputs).
template <class T>
void forward(const T *x, const T *w, T *y, const Geometry &g, const Strides &strides, int threads) {
    using S = Simd<T>;
    using Vector = typename S::Vector;
    const int64_t pixels = g.output_height * g.output_width, taps = g.kernel_height * g.kernel_width;
    const int64_t channels = g.channels / g.groups, outputs = g.outputs / g.groups, padded = S::whole(outputs);
    const int64_t height = g.height + 2 * g.padding_y, width = g.width + 2 * g.padding_x;
    const Strides copy = packed(strides, g.channels, height, width);
    std::vector<Term> terms;
    for (int64_t tap = 0; tap < taps; tap++)
        for (int64_t c = 0; c < channels; c++)
            terms.push_back({(tap * channels + c) * padded, tap / g.kernel_width * g.dilation_y * copy.y
                             + tap % g.kernel_width * g.dilation_x * copy.x + c * copy.channel});
    std::vector<T> image(g.channels * height * width);
    T *const inside = image.data() + g.padding_y * copy.y + g.padding_x * copy.x;
#pragma omp parallel num_threads(threads)
    for (int64_t n = 0; n < g.images; n++) {
        lay_out(x + n * strides.image, strides, inside, copy, g.channels, g.height, g.width);
#pragma omp for schedule(static)
        for (int64_t first = 0; first < pixels; first += PIXELS) {
            const Block block(first, g.output_height, g.output_width);
            for (int64_t group = 0; group < g.groups; group++) {
                const T *window[PIXELS];
                for (int p = 0; p < PIXELS; p++)
                    window[p] = image.data() + block.y[p] * g.stride_y * copy.y + block.x[p] * g.stride_x * copy.x
                                + group * channels * copy.channel;
                for (int64_t o = 0; o < padded; o += S::lanes) {
                    Vector sum[PIXELS], minus_one = Vector{} - 1;
                    HIDE(minus_one);
                    add_up(terms, w + group * channels * taps * padded + o, window, sum,
                           [=](int, Vector weight, T value) { return S::abs(weight - value) * minus_one; });
                    for (int p = 0; p < PIXELS; p++)
                        S::store(y + ((n * g.output_height + block.y[p]) * g.output_width + block.x[p]) * g.outputs
                                     + group * outputs + o,
                                 sum[p], outputs - o);
                }
            }
        }
    }
}

// Gradient for x: the sum over outputs and taps of slope(w - x) * gradient, gathered per input element. Input elements
// whose positions differ by multiples of the stride are read by the same taps, and are computed together.
// x (images, channels, height, width) and gradient (images, outputs, output height, output width) with any strides;
// w (groups, taps, outputs, padded channels); result (images, height, width, channels).
template <class T, bool Sign>
void input_gradient(const T *x, const T *w, const T *gradient, T *result, const Geometry &g, const Strides &x_strides,
                    const Strides &gradient_strides, int threads) {
    using S = Simd<T>;
    using Vector = typename S::Vector;
    const int64_t channels = g.channels / g.groups, outputs = g.outputs / g.groups, padded = S::whole(channels);
    const int64_t taps = g.kernel_height * g.kernel_width, all = g.groups * padded;
    // Zeros around the gradient, for taps that no output has.
    const int64_t above = std::max<int64_t>(0, (g.kernel_height - 1) * g.dilation_y - g.padding_y) / g.stride_y + 1;
    const int64_t left = std::max<int64_t>(0, (g.kernel_width - 1) * g.dilation_x - g.padding_x) / g.stride_x + 1;
    const int64_t height = above + std::max(g.output_height, (g.height - 1 + g.padding_y) / g.stride_y + 1);
    const int64_t width = left + std::max(g.output_width, (g.width - 1 + g.padding_x) / g.stride_x + 1);
    const Strides copy = packed(gradient_strides, g.outputs, height, width);
    std::vector<T> image(g.height * g.width * all), around(g.outputs * height * width);
    T *const inside = around.data() + above * copy.y + left * copy.x;
    const auto by_top = reached(g.kernel_height, g.stride_y, g.padding_y, g.dilation_y);
    const auto by_side = reached(g.kernel_width, g.stride_x, g.padding_x, g.dilation_x);
    std::vector<std::vector<Term>> phases;
    for (const Reached &rows : by_top)
        for (const Reached &columns : by_side) {
            std::vector<Term> &terms = phases.emplace_back();
            for (size_t i = 0; i < rows.tap.size(); i++)
                for (size_t j = 0; j < columns.tap.size(); j++)
                    for (int64_t o = 0; o < outputs; o++)
                        terms.push_back({((rows.tap[i] * g.kernel_width + columns.tap[j]) * outputs + o) * padded,
                                         rows.output[i] * copy.y + columns.output[j] * copy.x + o * copy.channel});
        }
#pragma omp parallel num_threads(threads)
    for (int64_t n = 0; n < g.images; n++) {
        for (int64_t group = 0; group < g.groups; group++)
            channels_last(x + n * x_strides.image + group * channels * x_strides.channel, x_strides,
                          image.data() + group * padded, all, channels, g.height, g.width);
        lay_out(gradient + n * gradient_strides.image, gradient_strides, inside, copy, g.outputs, g.output_height,
                g.output_width);
        for (int64_t phase = 0; phase < g.stride_y * g.stride_x; phase++) {
            const int64_t top = phase / g.stride_x, side = phase % g.stride_x;
            const int64_t phase_height = (g.height - top + g.stride_y - 1) / g.stride_y;
            const int64_t phase_width = (g.width - side + g.stride_x - 1) / g.stride_x;
#pragma omp for schedule(static) nowait
            for (int64_t first = 0; first < phase_height * phase_width; first += PIXELS) {
                const Block block(first, phase_height, phase_width);
                int64_t index[PIXELS];
                for (int p = 0; p < PIXELS; p++)
                    index[p] = (top + block.y[p] * g.stride_y) * g.width + side + block.x[p] * g.stride_x;
                for (int64_t c = 0; c < all; c += S::lanes) {
                    const int64_t group = c / padded, within = c % padded;
                    const T *from[PIXELS];
                    struct { Vector of[PIXELS]; } input;
                    for (int p = 0; p < PIXELS; p++) {
                        from[p] = inside + block.y[p] * copy.y + block.x[p] * copy.x + group * outputs * copy.channel;
                        input.of[p] = S::load(image.data() + index[p] * all + c);
                    }
                    Vector sum[PIXELS], one = Vector{} + 1;
                    HIDE(one);
                    // Adders clip too: every other difference is left to the multipliers.
                    add_up(phases[phase], w + group * taps * outputs * padded + within, from, sum,
                           [=](int p, Vector weight, T value) {
                               return S::template slope<Sign>(p % 2 ? weight * one - input.of[p] : weight - input.of[p])
                                      * value;
                           });
                    for (int p = 0; p < PIXELS; p++)
                        S::store(result + (n * g.height * g.width + index[p]) * g.channels + group * channels + within,
                                 sum[p], channels - within);
                }
            }
        }
#pragma omp barrier  // before others overwrite what this thread reads
    }
}

}  // namespace
