// The two loops of an L1 layer that have no matrix form: y = -sum |x - w|, and its input gradient.
//
// Both keep a vector of output channels in each register: weights lie as (group, tap, channel, output of the group),
// padded to whole vectors, so that one layout serves both loops and any geometry, strides included. The gradient for
// stride 1 has another loop, twice as fast, with input channels in the lanes. Where every group has one input channel
// (depthwise), that would leave most lanes empty: there, lanes are the channels of all groups. Padded taps are ordinary
// zeros. Images are padded and laid out one by one, in memory that stays in the cache.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>
#if defined(__AVX512DQ__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16  // wider vectors than the machine has are split, and become several times slower
#endif

// Hides a constant from g++: multiplied by it, numbers are added by the multipliers, where adders are busy.
#if defined(__AVX512F__)
#define HIDE(constant) asm("" : "+v"(constant))
#else
#define HIDE(constant) static_cast<void>(constant)
#endif

namespace {

template <class T> struct Bits;
template <> struct Bits<float> { using type = int32_t; };
template <> struct Bits<double> { using type = int64_t; };

template <class T> struct Simd {
    static constexpr int lanes = VECTOR_BYTES / sizeof(T);
    typedef T Vector __attribute__((vector_size(VECTOR_BYTES)));
    typedef T Unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(T)), may_alias));
    typedef typename Bits<T>::type Mask __attribute__((vector_size(VECTOR_BYTES)));

    static Vector load(const T *p) { return *reinterpret_cast<const Unaligned *>(p); }
    static void store(T *p, Vector v) { *reinterpret_cast<Unaligned *>(p) = v; }
    static Vector abs(Vector v) {
        Mask bits = reinterpret_cast<Mask>(v);
        bits &= ~(typename Bits<T>::type(1) << (8 * sizeof(T) - 1));
        return reinterpret_cast<Vector>(bits);
    }
    // What the gradient of -|v| is replaced by: v clipped to -1..1, or its sign.
    template <bool Sign> static Vector slope(Vector v) {
        const Vector zero = {}, one = zero + 1;
        if (Sign) return (v > zero ? one : zero) - (v < zero ? one : zero);
#if defined(__AVX512DQ__)
        if constexpr (sizeof(T) == 4)  // the smaller magnitude with the sign of v, in one instruction instead of four
            return reinterpret_cast<Vector>(
                _mm512_range_ps(reinterpret_cast<__m512>(v), reinterpret_cast<__m512>(one), 2));
#endif
        v = v > one ? one : v;
        return v < -one ? -one : v;
    }
    static int64_t whole(int64_t n) { return (n + lanes - 1) / lanes * lanes; }
};

// The sum over a vector's lanes, by halves: one after the other would take longer than the taps of a small layer.
template <class T, class Vector> T total(Vector v) {
    if constexpr (sizeof(Vector) <= 16) {
        T sum = v[0];
        for (unsigned lane = 1; lane < sizeof(Vector) / sizeof(T); lane++) sum += v[lane];
        return sum;
    } else {
        typedef T Half __attribute__((vector_size(sizeof(Vector) / 2)));
        Half halves[2];
        std::memcpy(halves, &v, sizeof v);
        return total<T>(halves[0] + halves[1]);
    }
}

struct Geometry {
    int64_t images, channels, height, width, outputs, groups, kernel_height, kernel_width, stride_y, stride_x,
        padding_y, padding_x, dilation_y, dilation_x, output_height, output_width;
};

// Distances in memory of neighbours along each axis.
struct Strides {
    int64_t image, channel, y, x;
};

// Lays out an image (channels, height, width) in another way; all threads together.
template <class T>
void lay_out(const T *from, const Strides &f, T *to, const Strides &t, int64_t channels, int64_t height,
             int64_t width) {
#pragma omp for schedule(static)
    for (int64_t y = 0; y < height; y++) {
        const T *const source = from + y * f.y;
        T *const target = to + y * t.y;
        if (f.channel == 1 && t.channel == 1)
            for (int64_t x = 0; x < width; x++)
                for (int64_t c = 0; c < channels; c++) target[x * t.x + c] = source[c * f.channel + x * f.x];
        else
            for (int64_t c = 0; c < channels; c++)
                for (int64_t x = 0; x < width; x++) target[c * t.channel + x * t.x] = source[c * f.channel + x * f.x];
    }
}

constexpr int PIXELS = 8;    // that share a load of the weights; accumulators fill the registers
constexpr int CHANNELS = 4;  // input channels that share a load of the gradient, for strides other than 1

// x (images, channels, height, width) with any strides; w (groups, taps, channels, padded outputs); y (images, pixels,
// outputs).
template <class T>
void forward(const T *x, const T *w, T *y, const Geometry &g, const Strides &strides, int threads) {
    using S = Simd<T>;
    using Vector = typename S::Vector;
    const int64_t pixels = g.output_height * g.output_width, taps = g.kernel_height * g.kernel_width;
    const int64_t channels = g.channels / g.groups, outputs = g.outputs / g.groups, padded = S::whole(outputs);
    const int64_t width = g.width + 2 * g.padding_x, plane = (g.height + 2 * g.padding_y) * width;
    std::vector<T> image(g.channels * plane);
    T *const inside = image.data() + g.padding_y * width + g.padding_x;
#pragma omp parallel num_threads(threads)
    for (int64_t n = 0; n < g.images; n++) {
        lay_out(x + n * strides.image, strides, inside, {0, plane, width, 1}, g.channels, g.height, g.width);
#pragma omp for schedule(static)
        for (int64_t first = 0; first < pixels; first += PIXELS) {
            const T *window[PIXELS];
            int64_t index[PIXELS];
            for (int p = 0; p < PIXELS; p++) {
                index[p] = first + p < pixels ? first + p : pixels - 1;  // a short last block repeats its last pixel
                window[p] = image.data() + index[p] / g.output_width * g.stride_y * width
                            + index[p] % g.output_width * g.stride_x;
            }
            for (int64_t group = 0; group < g.groups; group++)
                for (int64_t o = 0; o < padded; o += S::lanes) {
                    Vector sum[PIXELS] = {};
                    Vector minus_one = Vector{} - 1;
                    HIDE(minus_one);
                    const T *weights = w + group * channels * taps * padded + o;
                    for (int64_t row = 0; row < g.kernel_height; row++)
                        for (int64_t column = 0; column < g.kernel_width; column++) {
                            int64_t offset = group * channels * plane + row * g.dilation_y * width
                                             + column * g.dilation_x;
                            for (int64_t c = 0; c < channels; c++, weights += padded, offset += plane) {
                                const Vector weight = S::load(weights);
                                for (int p = 0; p < PIXELS; p++)
                                    sum[p] += S::abs(weight - window[p][offset]) * minus_one;
                            }
                        }
                    const int64_t used = outputs - o < S::lanes ? outputs - o : S::lanes;
                    for (int p = 0; p < PIXELS; p++)
                        for (int64_t lane = 0; lane < used; lane++)
                            y[(n * pixels + index[p]) * g.outputs + group * outputs + o + lane] = sum[p][lane];
                }
        }
    }
}

// The taps by which one input element is read, and the outputs that read it, both as offsets.
struct Reached {
    std::vector<int64_t> tap, output;
    int64_t count = 0;

    explicit Reached(const Geometry &g)
        : tap(g.kernel_height * g.kernel_width), output(g.kernel_height * g.kernel_width) {}

    void find(const Geometry &g, int64_t n, int64_t y, int64_t x, int64_t tap_stride, int64_t output_stride) {
        count = 0;
        for (int64_t row = 0; row < g.kernel_height; row++) {
            const int64_t top = y + g.padding_y - row * g.dilation_y;
            if (top < 0 || top % g.stride_y || top / g.stride_y >= g.output_height) continue;
            for (int64_t column = 0; column < g.kernel_width; column++) {
                const int64_t left = x + g.padding_x - column * g.dilation_x;
                if (left < 0 || left % g.stride_x || left / g.stride_x >= g.output_width) continue;
                tap[count] = (row * g.kernel_width + column) * tap_stride;
                output[count++] = ((n * g.output_height + top / g.stride_y) * g.output_width + left / g.stride_x)
                                  * output_stride;
            }
        }
    }
};

// Gradient for x: the sum over outputs and taps of slope(w - x) * gradient, gathered per input element.
// x and result (images, height, width, channels), not padded; gradient (images, pixels, groups, padded outputs).
template <class T, bool Sign>
void input_gradient(const T *x, const T *w, const T *gradient, T *result, const Geometry &g, int threads) {
    using S = Simd<T>;
    using Vector = typename S::Vector;
    const int64_t channels = g.channels / g.groups, padded = S::whole(g.outputs / g.groups);
    const int64_t taps = g.kernel_height * g.kernel_width, plane = g.height * g.width;
#pragma omp parallel num_threads(threads)
    {
        Reached reached(g);
#pragma omp for schedule(static)
        for (int64_t pixel = 0; pixel < g.images * plane; pixel++) {
            reached.find(g, pixel / plane, pixel % plane / g.width, pixel % g.width, channels * padded,
                         g.groups * padded);
            for (int64_t first = 0, last; first < g.channels; first = last + 1) {
                const int64_t group = first / channels, end = (group + 1) * channels;
                last = first + CHANNELS < end ? first + CHANNELS - 1 : end - 1;
                const T *from = gradient + group * padded, *weights[CHANNELS];
                Vector input[CHANNELS], sum[CHANNELS] = {};
                for (int i = 0; i < CHANNELS; i++) {
                    const int64_t c = first + i < last ? first + i : last;  // a short block repeats its last channel
                    weights[i] = w + (group * (taps - 1) * channels + c) * padded;
                    input[i] = Vector{} + x[pixel * g.channels + c];
                }
                for (int64_t t = 0; t < reached.count; t++)
                    for (int64_t o = 0; o < padded; o += S::lanes) {
                        const Vector output = S::load(from + reached.output[t] + o);
                        for (int i = 0; i < CHANNELS; i++)
                            sum[i] += S::template slope<Sign>(S::load(weights[i] + reached.tap[t] + o) - input[i])
                                      * output;
                    }
                for (int64_t c = first; c <= last; c++) result[pixel * g.channels + c] = total<T>(sum[c - first]);
            }
        }
    }
}

// The same for stride 1 and at least a vector of input channels in a group: they are the lanes here, so that nothing is
// summed up across lanes, and pixels share a load of the weights. x (images, channels, height, width) and gradient
// (images, outputs, output height, output width) with any strides; w (groups, taps, outputs, padded channels); result
// (images, pixels, groups, padded channels).
template <class T, bool Sign>
void dense_input_gradient(const T *x, const T *w, const T *gradient, T *result, const Geometry &g,
                          const Strides &x_strides, const Strides &gradient_strides, int threads) {
    using S = Simd<T>;
    using Vector = typename S::Vector;
    const int64_t channels = g.channels / g.groups, outputs = g.outputs / g.groups, padded = S::whole(channels);
    const int64_t taps = g.kernel_height * g.kernel_width, pixels = g.height * g.width, all = g.groups * padded;
    // Zeros around the gradient, for the windows of input pixels that reach beyond it.
    const int64_t beyond_y = std::max<int64_t>(0, (g.kernel_height - 1) * g.dilation_y - g.padding_y);
    const int64_t beyond_x = std::max<int64_t>(0, (g.kernel_width - 1) * g.dilation_x - g.padding_x);
    const int64_t width = g.output_width + 2 * beyond_x;
    std::vector<T> image(pixels * all), around((g.output_height + 2 * beyond_y) * width * g.outputs);
    T *const inside = around.data() + (beyond_y * width + beyond_x) * g.outputs;
#pragma omp parallel num_threads(threads)
    for (int64_t n = 0; n < g.images; n++) {
        for (int64_t group = 0; group < g.groups; group++)
            lay_out(x + n * x_strides.image + group * channels * x_strides.channel, x_strides,
                    image.data() + group * padded, {0, 1, g.width * all, all}, channels, g.height, g.width);
        lay_out(gradient + n * gradient_strides.image, gradient_strides, inside,
                {0, 1, width * g.outputs, g.outputs}, g.outputs, g.output_height, g.output_width);
#pragma omp for schedule(static)
        for (int64_t first = 0; first < pixels; first += PIXELS) {
            const T *from[PIXELS];
            int64_t index[PIXELS];
            for (int p = 0; p < PIXELS; p++) {
                index[p] = first + p < pixels ? first + p : pixels - 1;
                from[p] = inside + ((index[p] / g.width + g.padding_y) * width + index[p] % g.width + g.padding_x)
                                   * g.outputs;
            }
            for (int64_t c = 0; c < all; c += S::lanes) {
                const int64_t group = c / padded;
                const T *weights = w + group * taps * outputs * padded + c % padded;
                Vector sum[PIXELS] = {}, input[PIXELS];
                for (int p = 0; p < PIXELS; p++) input[p] = S::load(image.data() + index[p] * all + c);
                for (int64_t row = 0; row < g.kernel_height; row++)
                    for (int64_t column = 0; column < g.kernel_width; column++) {
                        const int64_t tap = row * g.dilation_y * width + column * g.dilation_x;
                        for (int64_t o = 0; o < outputs; o++, weights += padded) {
                            const Vector weight = S::load(weights);
                            for (int p = 0; p < PIXELS; p++)
                                sum[p] += S::template slope<Sign>(weight - input[p])
                                          * from[p][group * outputs - tap * g.outputs + o];
                        }
                    }
                for (int p = 0; p < PIXELS; p++) S::store(result + (n * pixels + index[p]) * all + c, sum[p]);
            }
        }
    }
}

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
#pragma omp parallel num_threads(threads)
    {
        Reached reached(g);
#pragma omp for schedule(static)
        for (int64_t pixel = 0; pixel < g.images * plane; pixel++) {
            reached.find(g, pixel / plane, pixel % plane / g.width, pixel % g.width, padded, padded);
            for (int64_t o = 0; o < padded; o += S::lanes) {
                const typename S::Vector input = S::load(x + pixel * padded + o);
                typename S::Vector sum = {};
                for (int64_t t = 0; t < reached.count; t++)
                    sum += S::template slope<Sign>(S::load(w + reached.tap[t] + o) - input)
                           * S::load(gradient + reached.output[t] + o);
                S::store(result + pixel * padded + o, sum);
            }
        }
    }
}

}  // namespace

extern "C" {
int l1_vector_bytes() { return VECTOR_BYTES; }

#define KERNELS(T, SUFFIX)                                                                                            \
    void l1_forward_##SUFFIX(const T *x, const T *w, T *y, const Geometry *g, int threads, const Strides *strides) {  \
        forward(x, w, y, *g, *strides, threads);                                                                      \
    }                                                                                                                 \
    void l1_depthwise_forward_##SUFFIX(const T *x, const T *w, T *y, const Geometry *g, int threads) {                \
        depthwise_forward(x, w, y, *g, threads);                                                                      \
    }                                                                                                                 \
    void l1_input_gradient_##SUFFIX(const T *x, const T *w, const T *gradient, T *result, const Geometry *g,          \
                                    int threads, int sign) {                                                          \
        (sign ? input_gradient<T, true> : input_gradient<T, false>)(x, w, gradient, result, *g, threads);             \
    }                                                                                                                 \
    void l1_dense_input_gradient_##SUFFIX(const T *x, const T *w, const T *gradient, T *result, const Geometry *g,    \
                                          int threads, int sign, const Strides *strides) {                            \
        (sign ? dense_input_gradient<T, true> : dense_input_gradient<T, false>)(x, w, gradient, result, *g,           \
                                                                                strides[0], strides[1], threads);     \
    }                                                                                                                 \
    void l1_depthwise_input_gradient_##SUFFIX(const T *x, const T *w, const T *gradient, T *result,                   \
                                              const Geometry *g, int threads, int sign) {                             \
        (sign ? depthwise_input_gradient<T, true> : depthwise_input_gradient<T, false>)(x, w, gradient, result, *g,   \
                                                                                        threads);                     \
    }

KERNELS(float, float32)
KERNELS(double, float64)
}
