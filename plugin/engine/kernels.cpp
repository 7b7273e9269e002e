#include "kernels.hpp"

#include <algorithm>
#include <cstring>

namespace stems {

namespace portable {
extern const Kernels KERNELS;
}
#if defined(STEMS_AVX2)
namespace avx2 {
extern const Kernels KERNELS;
}
#endif

namespace {

/// The best that this machine can run of a name, or of any.
const Kernels* find(const char* name) {
#if defined(STEMS_AVX2)
    const bool runs = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (runs && (!name || std::strcmp(name, avx2::KERNELS.name) == 0)) return &avx2::KERNELS;
#endif
    return !name || std::strcmp(name, portable::KERNELS.name) == 0 ? &portable::KERNELS : nullptr;
}

const Kernels* chosen = find(nullptr);  // before anything runs, since nothing may be made while it runs

}  // namespace

const Kernels& kernels() { return *chosen; }

bool use_kernels(const char* name) {
    const Kernels* found = find(name);
    if (found) chosen = found;
    return found;
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
