// Where numbers of images lie in memory, copies of an image in another order, and which taps read which pixels.

#pragma once

#include <cstdint>
#include <vector>

#include "l1_simd.hpp"

namespace {

struct Geometry {
    int64_t images, channels, height, width, outputs, groups, kernel_height, kernel_width, stride_y, stride_x,
        padding_y, padding_x, dilation_y, dilation_x, output_height, output_width;
};

// Distances in memory of neighbours along each axis.
struct Strides {
    int64_t image, channel, y, x;
};

// The order of an image's copy: channels closest where they are so already, so that copying needs no gather.
Strides packed(const Strides &like, int64_t channels, int64_t height, int64_t width) {
    if (like.channel <= like.x) return {0, 1, width * channels, channels};
    return {0, height * width, width, 1};
}

// Copies an image (channels, height, width) into another order; all threads together.
template <class T>
void lay_out(const T *from, const Strides &f, T *to, const Strides &t, int64_t channels, int64_t height,
             int64_t width) {
#pragma omp for schedule(static)
    for (int64_t y = 0; y < height; y++) {
        const T *const source = from + y * f.y;
        T *const target = to + y * t.y;
        if (f.x == 1 && t.x == 1)
            for (int64_t c = 0; c < channels; c++) Simd<T>::copy(source + c * f.channel, target + c * t.channel, width);
        else if (f.channel == 1 && t.channel == 1)
            for (int64_t x = 0; x < width; x++) Simd<T>::copy(source + x * f.x, target + x * t.x, channels);
        else
            for (int64_t c = 0; c < channels; c++)
                for (int64_t x = 0; x < width; x++) target[c * t.channel + x * t.x] = source[c * f.channel + x * f.x];
    }
}

// Copies an image into one whose channels are closest, `pitch` numbers a pixel; all threads together.
template <class T>
void channels_last(const T *from, const Strides &f, T *to, int64_t pitch, int64_t channels, int64_t height,
                   int64_t width) {
    using S = Simd<T>;
    if (f.x != 1 || f.y != width) return lay_out(from, f, to, {0, 1, width * pitch, pitch}, channels, height, width);
    const int64_t pixels = height * width;
#pragma omp for schedule(static)
    for (int64_t first = 0; first < pixels; first += S::lanes)
        for (int64_t c = 0; c < channels; c += S::lanes) {
            const T *const source = from + c * f.channel + first;
            T *const target = to + first * pitch + c;
            if (first + S::lanes <= pixels && c + S::lanes <= channels) {
                typename S::Vector rows[S::lanes];
                for (int i = 0; i < S::lanes; i++) rows[i] = S::load(source + i * f.channel);
                S::transpose(rows);
                for (int i = 0; i < S::lanes; i++) S::store(target + i * pitch, rows[i]);
            } else {
                for (int64_t i = 0; i < std::min<int64_t>(S::lanes, channels - c); i++)
                    for (int64_t j = 0; j < std::min<int64_t>(S::lanes, pixels - first); j++)
                        target[j * pitch + i] = source[i * f.channel + j];
            }
        }
}

// Along one axis, the taps by which input elements `phase`, `phase` + stride, ... are read, and the output that each
// tap is of for the first of them: for the next it is the next. Outputs that are not there are among them.
struct Reached {
    std::vector<int64_t> tap, output;
};

std::vector<Reached> reached(int64_t kernel, int64_t stride, int64_t padding, int64_t dilation) {
    std::vector<Reached> phases(stride);
    for (int64_t phase = 0; phase < stride; phase++)
        for (int64_t k = 0; k < kernel; k++) {
            const int64_t distance = phase + padding - k * dilation;
            if (distance % stride) continue;
            phases[phase].tap.push_back(k);
            phases[phase].output.push_back(distance / stride);
        }
    return phases;
}

}  // namespace
