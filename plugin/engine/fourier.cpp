#include "fourier.hpp"

#include <algorithm>
#include <cmath>

namespace stems {
namespace {

constexpr double PI = 3.14159265358979323846;
constexpr int LARGE = 31;              // prime factors beyond this take longer than a convolution
constexpr double BUTTERFLY_COST = 40;  // of a sample, in multiplications

}  // namespace

Fourier::Fourier(int length) : half_(length / 2), parts_(half_), spare_(half_) {
    const std::vector<int> factors = radices(half_);
    if (*std::max_element(factors.begin(), factors.end()) > LARGE)
        bluestein_ = std::make_unique<Bluestein>(half_);
    else
        stockham_ = std::make_unique<Stockham>(half_);
    for (int bin = 0; bin <= half_; ++bin)
        turns_.emplace_back(static_cast<float>(std::cos(PI * bin / half_)), static_cast<float>(-std::sin(PI * bin / half_)));
}

double Fourier::cost() const { return BUTTERFLY_COST * (bluestein_ ? 4 * bluestein_->padded() : 2 * half_); }

void Fourier::forward(const float* signal, std::complex<float>* spectrum) {
    for (int i = 0; i < half_; ++i) {
        parts_.real[i] = signal[2 * i];
        parts_.imag[i] = signal[2 * i + 1];
    }
    transform();
    for (int bin = 0; bin <= half_; ++bin) {
        const int one = bin == half_ ? 0 : bin, other = bin == 0 ? 0 : half_ - bin;
        const float even_real = (parts_.real[one] + parts_.real[other]) / 2;
        const float even_imag = (parts_.imag[one] - parts_.imag[other]) / 2;
        const float odd_real = (parts_.imag[one] + parts_.imag[other]) / 2;
        const float odd_imag = (parts_.real[other] - parts_.real[one]) / 2;
        const float cosine = turns_[bin].real(), sine = turns_[bin].imag();
        spectrum[bin] = {even_real + cosine * odd_real - sine * odd_imag, even_imag + cosine * odd_imag + sine * odd_real};
    }
}

void Fourier::inverse(const std::complex<float>* spectrum, float* signal) {
    for (int bin = 0; bin < half_; ++bin) {  // conjugated, which turns the transform around
        const float one_real = spectrum[bin].real(), one_imag = bin ? spectrum[bin].imag() : 0.0f;
        const float other_real = spectrum[half_ - bin].real(), other_imag = bin ? -spectrum[half_ - bin].imag() : 0.0f;
        const float apart_real = one_real - other_real, apart_imag = one_imag - other_imag;
        const float cosine = turns_[bin].real(), sine = -turns_[bin].imag();
        const float odd_real = cosine * apart_real - sine * apart_imag, odd_imag = cosine * apart_imag + sine * apart_real;
        parts_.real[bin] = one_real + other_real - odd_imag;
        parts_.imag[bin] = -(one_imag + other_imag + odd_real);
    }
    transform();
    const float scale = 1.0f / static_cast<float>(length());
    for (int i = 0; i < half_; ++i) {
        signal[2 * i] = parts_.real[i] * scale;
        signal[2 * i + 1] = -parts_.imag[i] * scale;
    }
}

void Fourier::transform() {
    if (bluestein_)
        bluestein_->transform(parts_);
    else
        stockham_->transform(parts_, spare_);
}

}  // namespace stems
