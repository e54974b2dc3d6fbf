// The two loops of an L1 layer that have no matrix form: y = -sum |x - w|, and its input gradient.

#include "l1_dense.hpp"
#include "l1_depthwise.hpp"

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
                                    int threads, int sign, const Strides *strides) {                                  \
        (sign ? input_gradient<T, true> : input_gradient<T, false>)(x, w, gradient, result, *g, strides[0],           \
                                                                    strides[1], threads);                             \
    }                                                                                                                 \
    void l1_depthwise_input_gradient_##SUFFIX(const T *x, const T *w, const T *gradient, T *result,                   \
                                              const Geometry *g, int threads, int sign) {                             \
        (sign ? depthwise_input_gradient<T, true> : depthwise_input_gradient<T, false>)(x, w, gradient, result, *g,   \
                                                                                        threads);                     \
    }

KERNELS(float, float32)
KERNELS(double, float64)
}
