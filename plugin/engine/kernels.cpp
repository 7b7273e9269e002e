#include "kernels.hpp"

#include <algorithm>

namespace stems {

namespace portable {
extern const Kernels KERNELS;
}
#if defined(STEMS_AVX2)
namespace avx2 {
extern const Kernels KERNELS;
}
#endif

std::vector<const Kernels*> runnable_kernels() {
    std::vector<const Kernels*> found{&portable::KERNELS};
#if defined(STEMS_AVX2)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(&avx2::KERNELS);
#endif
    return found;
}

const Kernels& kernels() {
    static const Kernels& fastest = *runnable_kernels().back();
    return fastest;
}

Matrix::Matrix(const std::vector<float>& weights, const std::vector<float>& bias, int rows, int columns)
    : rows_(rows), columns_(columns), panels_((columns + PANEL - 1) / PANEL) {
    weights_.assign(static_cast<std::size_t>(rows) * padded(), 0.0f);
    bias_.assign(padded(), 0.0f);
    std::copy(bias.begin(), bias.end(), bias_.begin());
    for (int row = 0; row < rows; ++row)
        for (int column = 0; column < columns; ++column) {
            const std::size_t panel = column / PANEL, place = column % PANEL;
            weights_[(panel * rows + row) * PANEL + place] = weights[static_cast<std::size_t>(row) * columns + column];
        }
}

void Matrix::apply(const Segment* segments, int segment_count, Lines lines, float* out) const {
    kernels().multiply(segments, segment_count, lines, weights_.data(), bias_.data(), out, panels_);
}

void Matrix::apply(const float* in, Lines lines, float* out) const {
    const Segment whole{in, rows_};
    apply(&whole, 1, lines, out);
}

void Matrix::add(const float* in, Lines lines, float* out) const {
    const Segment whole{in, rows_};
    kernels().multiply(&whole, 1, lines, weights_.data(), nullptr, out, panels_);
}

}  // namespace stems
