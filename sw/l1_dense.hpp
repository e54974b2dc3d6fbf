// The loops of layers with several input channels a group. A register keeps a vector of the channels that are written:
// weights lie with those closest, filled up with zeros to whole vectors, so that one loop serves any geometry, strides
// included. Images are padded and laid out one by one, in memory that stays in the cache; padded pixels are zeros.

#pragma once

#include <vector>

#include "l1_images.hpp"

namespace {

constexpr int PIXELS = 8;  // that share a load of the weights; accumulators fill the registers

// Where the values of a sum begin, and the number of the pixel that gets it. In a list, made once for all images, as
// eight divisions would take as long as a tap.
struct Pixel {
    int64_t values, result;
};

// Fills up the last block; what is computed several times is the same.
void to_whole_blocks(std::vector<Pixel> &pixels) {
    while (pixels.size() % PIXELS) pixels.push_back(pixels.back());
}

// Where a term of a sum finds its weight and its value, from those of the first. In one list, as a loop for each tap
// would take longer to set up than few channels take.
struct Term {
    int64_t weight, value;
};

// The innermost loop: sum[p] of term(p, weight, value). Never inlined, as it needs all registers there are.
template <class T, class Function>
__attribute__((noinline)) void add_up(const std::vector<Term> &terms, const T *weights, const T *values,
                                      const Pixel *pixels, typename Simd<T>::Vector (&sum)[PIXELS],
                                      const Function term) {
    typename Simd<T>::Vector partial[PIXELS] = {};
    const T *from[PIXELS];
    for (int p = 0; p < PIXELS; p++) from[p] = values + pixels[p].values;
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
    const int64_t taps = g.kernel_height * g.kernel_width, channels = g.channels / g.groups;
    const int64_t outputs = g.outputs / g.groups, padded = S::whole(outputs);
    const int64_t height = g.height + 2 * g.padding_y, width = g.width + 2 * g.padding_x;
    const Strides copy = packed(strides, g.channels, height, width);
    std::vector<Term> terms;
    for (int64_t tap = 0; tap < taps; tap++)
        for (int64_t c = 0; c < channels; c++)
            terms.push_back({(tap * channels + c) * padded, tap / g.kernel_width * g.dilation_y * copy.y
                             + tap % g.kernel_width * g.dilation_x * copy.x + c * copy.channel});
    std::vector<Pixel> pixels;
    for (int64_t row = 0; row < g.output_height; row++)
        for (int64_t column = 0; column < g.output_width; column++)
            pixels.push_back({row * g.stride_y * copy.y + column * g.stride_x * copy.x, row * g.output_width + column});
    to_whole_blocks(pixels);
    std::vector<T> image(g.channels * height * width);
    T *const inside = image.data() + g.padding_y * copy.y + g.padding_x * copy.x;
#pragma omp parallel num_threads(threads)
    for (int64_t n = 0; n < g.images; n++) {
        lay_out(x + n * strides.image, strides, inside, copy, g.channels, g.height, g.width);
        T *const result = y + n * g.output_height * g.output_width * g.outputs;
#pragma omp for schedule(static)
        for (size_t first = 0; first < pixels.size(); first += PIXELS) {
            const Pixel *const block = &pixels[first];
            for (int64_t group = 0; group < g.groups; group++)
                for (int64_t o = 0; o < padded; o += S::lanes) {
                    Vector sum[PIXELS], minus_one = Vector{} - 1;
                    HIDE(minus_one);
                    add_up(terms, w + group * channels * taps * padded + o,
                           image.data() + group * channels * copy.channel, block, sum,
                           [=](int, Vector weight, T value) { return S::abs(weight - value) * minus_one; });
                    for (int p = 0; p < PIXELS; p++)
                        S::store(result + block[p].result * g.outputs + group * outputs + o, sum[p], outputs - o);
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
    struct Phase {
        std::vector<Term> terms;
        std::vector<Pixel> pixels;
    };
    std::vector<Phase> phases;
    for (int64_t top = 0; top < std::min(g.stride_y, g.height); top++)
        for (int64_t side = 0; side < std::min(g.stride_x, g.width); side++) {
            Phase &phase = phases.emplace_back();
            const Reached &rows = by_top[top], &columns = by_side[side];
            for (size_t i = 0; i < rows.tap.size(); i++)
                for (size_t j = 0; j < columns.tap.size(); j++)
                    for (int64_t o = 0; o < outputs; o++)
                        phase.terms.push_back(
                            {((rows.tap[i] * g.kernel_width + columns.tap[j]) * outputs + o) * padded,
                             rows.output[i] * copy.y + columns.output[j] * copy.x + o * copy.channel});
            for (int64_t y = 0; top + y * g.stride_y < g.height; y++)
                for (int64_t x_ = 0; side + x_ * g.stride_x < g.width; x_++)
                    phase.pixels.push_back({y * copy.y + x_ * copy.x,
                                            (top + y * g.stride_y) * g.width + side + x_ * g.stride_x});
            to_whole_blocks(phase.pixels);
        }
#pragma omp parallel num_threads(threads)
    for (int64_t n = 0; n < g.images; n++) {
        for (int64_t group = 0; group < g.groups; group++)
            channels_last(x + n * x_strides.image + group * channels * x_strides.channel, x_strides,
                          image.data() + group * padded, all, channels, g.height, g.width);
        lay_out(gradient + n * gradient_strides.image, gradient_strides, inside, copy, g.outputs, g.output_height,
                g.output_width);
        T *const target = result + n * g.height * g.width * g.channels;
        for (const Phase &phase : phases) {
#pragma omp for schedule(static) nowait
            for (size_t first = 0; first < phase.pixels.size(); first += PIXELS) {
                const Pixel *const block = &phase.pixels[first];
                for (int64_t c = 0; c < all; c += S::lanes) {
                    const int64_t group = c / padded, within = c % padded;
                    struct { Vector of[PIXELS]; } input;
                    for (int p = 0; p < PIXELS; p++) input.of[p] = S::load(image.data() + block[p].result * all + c);
                    Vector sum[PIXELS], one = Vector{} + 1;
                    HIDE(one);
                    // Adders clip too: every other difference is left to the multipliers.
                    add_up(phase.terms, w + group * taps * outputs * padded + within,
                           inside + group * outputs * copy.channel, block, sum,
                           [=](int p, Vector weight, T value) {
                               return S::template slope<Sign>(p % 2 ? weight * one - input.of[p] : weight - input.of[p])
                                      * value;
                           });
                    for (int p = 0; p < PIXELS; p++)
                        S::store(target + block[p].result * g.channels + group * channels + within, sum[p],
                                 channels - within);
                }
            }
        }
#pragma omp barrier  // before others overwrite what this thread reads
    }
}

}  // namespace
