#include "stockham.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace stems {
namespace {

constexpr double PI = 3.14159265358979323846;

}  // namespace

std::vector<int> radices(int length) {
    std::vector<int> found;
    for (; length % 4 == 0; length /= 4) found.push_back(4);  // the fastest
    for (int factor = 2; length > 1; ++factor)
        for (; length % factor == 0; length /= factor) found.push_back(factor);
    return found;
}

Stockham::Stockham(int length) {
    int left = length, stride = 1;
    for (const int radix : radices(length)) {
        Stage stage{radix, left / radix, stride, {}, {}, {}, {}};
        for (int r = 0; r < radix; ++r) {
            stage.roots_real.push_back(static_cast<float>(std::cos(2 * PI * r / radix)));
            stage.roots_imag.push_back(static_cast<float>(-std::sin(2 * PI * r / radix)));
        }
        for (int q = 0; q < stage.rest; ++q)
            for (int r = 0; r < radix; ++r) {
                const double angle = 2 * PI * (static_cast<long long>(q) * r % left) / left;
                stage.twiddles_real.push_back(static_cast<float>(std::cos(angle)));
                stage.twiddles_imag.push_back(static_cast<float>(-std::sin(angle)));
            }
        stages_.push_back(std::move(stage));
        left /= radix;
        stride *= radix;
    }
}

void Stockham::transform(Parts& parts, Parts& spare) const {
    for (const Stage& stage : stages_) {
        if (stage.radix == 4)
            run_by_four(stage, parts, spare);
        else
            run(stage, parts, spare);
        std::swap(parts, spare);
    }
}

void Stockham::run_by_four(const Stage& stage, const Parts& from, Parts& to) {
    const int stride = stage.stride, apart = stage.rest * stride;
    const int outer = stride == 1 ? 1 : stage.rest, inner = stride == 1 ? stage.rest : stride;  // the longer loop inside
    for (int q = 0; q < outer; ++q) {
        const float *real = &from.real[q * stride], *imag = &from.imag[q * stride];
        float *to_real = &to.real[4 * q * stride], *to_imag = &to.imag[4 * q * stride];
        const float *cosines = &stage.twiddles_real[4 * q], *sines = &stage.twiddles_imag[4 * q];
        const int step = stride == 1 ? 4 : 1, turn = stride == 1 ? 4 : 0;
#if defined(__GNUC__)
#pragma GCC ivdep
#endif
        for (int k = 0; k < inner; ++k) {
            const float a = real[k] + real[k + 2 * apart], b = imag[k] + imag[k + 2 * apart];
            const float c = real[k] - real[k + 2 * apart], d = imag[k] - imag[k + 2 * apart];
            const float e = real[k + apart] + real[k + 3 * apart], f = imag[k + apart] + imag[k + 3 * apart];
            const float g = real[k + apart] - real[k + 3 * apart], h = imag[k + apart] - imag[k + 3 * apart];
            const float* cosine = cosines + k * turn;
            const float* sine = sines + k * turn;
            to_real[k * step] = a + e;
            to_imag[k * step] = b + f;
            to_real[k * step + stride] = cosine[1] * (c + h) - sine[1] * (d - g);
            to_imag[k * step + stride] = cosine[1] * (d - g) + sine[1] * (c + h);
            to_real[k * step + 2 * stride] = cosine[2] * (a - e) - sine[2] * (b - f);
            to_imag[k * step + 2 * stride] = cosine[2] * (b - f) + sine[2] * (a - e);
            to_real[k * step + 3 * stride] = cosine[3] * (c - h) - sine[3] * (d + g);
            to_imag[k * step + 3 * stride] = cosine[3] * (d + g) + sine[3] * (c - h);
        }
    }
}

void Stockham::run(const Stage& stage, const Parts& from, Parts& to) {
    const int radix = stage.radix, stride = stage.stride, apart = stage.rest * stride;
    for (int q = 0; q < stage.rest; ++q)
        for (int r = 0; r < radix; ++r) {
            const float turn_real = stage.twiddles_real[q * radix + r], turn_imag = stage.twiddles_imag[q * radix + r];
            float *real = &to.real[(q * radix + r) * stride], *imag = &to.imag[(q * radix + r) * stride];
            std::fill_n(real, stride, 0.0f);
            std::fill_n(imag, stride, 0.0f);
            for (int j = 0, turn = 0; j < radix; ++j, turn = turn + r < radix ? turn + r : turn + r - radix) {
                const float root_real = stage.roots_real[turn], root_imag = stage.roots_imag[turn];
                const float x = turn_real * root_real - turn_imag * root_imag;
                const float y = turn_real * root_imag + turn_imag * root_real;
                const float *in_real = &from.real[q * stride + j * apart], *in_imag = &from.imag[q * stride + j * apart];
                for (int k = 0; k < stride; ++k) {
                    real[k] += x * in_real[k] - y * in_imag[k];
                    imag[k] += x * in_imag[k] + y * in_real[k];
                }
            }
        }
}

}  // namespace stems
