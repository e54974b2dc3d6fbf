// The two loops of an L1 layer that have no matrix form: y = -sum |x - w|, and its input gradient.
//
// Both keep a vector of output channels in each register: weights lie as (channel, tap, output), padded to whole
// vectors, so that one layout serves both loops and any geometry, strides included. Padded taps are ordinary zeros:
// `forward` gets its input already padded.

#include <cstdint>
#include <vector>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16  // wider vectors than the machine has are split, and become several times slower
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
    static Vector abs(Vector v) {
        Mask bits = reinterpret_cast<Mask>(v);
        bits &= ~(typename Bits<T>::type(1) << (8 * sizeof(T) - 1));
        return reinterpret_cast<Vector>(bits);
    }
    static Vector clip(Vector v) {
        const Vector one = Vector{} + 1;
        v = v > one ? one : v;
        return v < -one ? -one : v;
    }
};

struct Geometry {
    int64_t images, channels, height, width, outputs, kernel_height, kernel_width, stride, padding,
        output_height, output_width;
};

constexpr int PIXELS = 6;  // output pixels that share a load of the weights; accumulators fill the registers

// x (images, channels, height, width), padded; w (channels, taps, padded outputs); y (images, pixels, outputs).
template <class T> void forward(const T *x, const T *w, T *y, const Geometry &g, int threads) {
    using S = Simd<T>;
    using Vector = typename S::Vector;
    const int64_t pixels = g.output_height * g.output_width, total = g.images * pixels;
    const int64_t padded = (g.outputs + S::lanes - 1) / S::lanes * S::lanes;
    const int64_t image = g.channels * g.height * g.width;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t first = 0; first < total; first += PIXELS) {
        const T *window[PIXELS];
        int64_t index[PIXELS];
        for (int p = 0; p < PIXELS; p++) {
            index[p] = first + p < total ? first + p : total - 1;  // a short last block repeats its last pixel
            const int64_t n = index[p] / pixels, pixel = index[p] % pixels;
            window[p] = x + n * image + pixel / g.output_width * g.stride * g.width
                        + pixel % g.output_width * g.stride;
        }
        for (int64_t o = 0; o < padded; o += S::lanes) {
            Vector sum[PIXELS] = {};
            const T *weights = w + o;
            for (int64_t c = 0; c < g.channels; c++)
                for (int64_t row = 0; row < g.kernel_height; row++)
                    for (int64_t column = 0; column < g.kernel_width; column++, weights += padded) {
                        const Vector weight = S::load(weights);
                        const int64_t offset = (c * g.height + row) * g.width + column;
                        for (int p = 0; p < PIXELS; p++)
                            sum[p] -= S::abs(weight - window[p][offset]);
                    }
            const int64_t used = g.outputs - o < S::lanes ? g.outputs - o : S::lanes;
            for (int p = 0; p < PIXELS; p++)
                for (int64_t lane = 0; lane < used; lane++)
                    y[index[p] * g.outputs + o + lane] = sum[p][lane];
        }
    }
}

// Gradient for x: the sum over outputs and taps of clip(w - x, -1, 1) * gradient, gathered per input element.
// x and result (images, channels, height, width), not padded; gradient (images, pixels, padded outputs).
template <class T>
void input_gradient(const T *x, const T *w, const T *gradient, T *result, const Geometry &g, int threads) {
    using S = Simd<T>;
    using Vector = typename S::Vector;
    const int64_t padded = (g.outputs + S::lanes - 1) / S::lanes * S::lanes;
    const int64_t taps = g.kernel_height * g.kernel_width, plane = g.height * g.width;
#pragma omp parallel num_threads(threads)
    {
        std::vector<int64_t> tap(taps);     // the taps that reach this element,
        std::vector<const T *> from(taps);  // and the gradients of the outputs they reach it from
#pragma omp for schedule(static)
        for (int64_t pixel = 0; pixel < g.images * plane; pixel++) {
            const int64_t n = pixel / plane, y = pixel % plane / g.width, x0 = pixel % g.width;
            int64_t reached = 0;
            for (int64_t row = 0; row < g.kernel_height; row++) {
                const int64_t top = y + g.padding - row;
                if (top < 0 || top % g.stride || top / g.stride >= g.output_height) continue;
                for (int64_t column = 0; column < g.kernel_width; column++) {
                    const int64_t left = x0 + g.padding - column;
                    if (left < 0 || left % g.stride || left / g.stride >= g.output_width) continue;
                    const int64_t output = top / g.stride * g.output_width + left / g.stride;
                    tap[reached] = row * g.kernel_width + column;
                    from[reached++] = gradient + (n * g.output_height * g.output_width + output) * padded;
                }
            }
            for (int64_t c = 0; c < g.channels; c++) {
                const int64_t at = (n * g.channels + c) * plane + pixel % plane;
                Vector sum = {};
                for (int64_t t = 0; t < reached; t++) {
                    const T *weights = w + (c * taps + tap[t]) * padded;
                    for (int64_t o = 0; o < padded; o += S::lanes)
                        sum += S::clip(S::load(weights + o) - x[at]) * S::load(from[t] + o);
                }
                T total = 0;
                for (int lane = 0; lane < S::lanes; lane++) total += sum[lane];
                result[at] = total;
            }
        }
    }
}

}  // namespace

extern "C" {
int l1_vector_bytes() { return VECTOR_BYTES; }

void l1_forward_float32(const float *x, const float *w, float *y, const Geometry *g, int threads) {
    forward(x, w, y, *g, threads);
}
void l1_forward_float64(const double *x, const double *w, double *y, const Geometry *g, int threads) {
    forward(x, w, y, *g, threads);
}
void l1_input_gradient_float32(const float *x, const float *w, const float *gradient, float *result,
                               const Geometry *g, int threads) {
    input_gradient(x, w, gradient, result, *g, threads);
}
void l1_input_gradient_float64(const double *x, const double *w, const double *gradient, double *result,
                               const Geometry *g, int threads) {
    input_gradient(x, w, gradient, result, *g, threads);
}
}
