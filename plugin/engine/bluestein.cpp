#include "bluestein.hpp"

#include <algorithm>
#include <cmath>

namespace stems {
namespace {

constexpr double PI = 3.14159265358979323846;

int power_of_two_from(int number) {
    int power = 1;
    while (power < number) power *= 2;
    return power;
}

}  // namespace

Bluestein::Bluestein(int length)
    : length_(length), padded_(power_of_two_from(2 * length - 1)), stockham_(padded_), chirp_(length), kernel_(padded_),
      work_(padded_), spare_(padded_) {
    for (int i = 0; i < length; ++i) {
        const double angle = PI * (static_cast<long long>(i) * i % (2LL * length)) / length;
        chirp_.real[i] = static_cast<float>(std::cos(angle));
        chirp_.imag[i] = static_cast<float>(-std::sin(angle));
        kernel_.real[i] = kernel_.real[(padded_ - i) % padded_] = static_cast<float>(std::cos(angle) / padded_);
        kernel_.imag[i] = kernel_.imag[(padded_ - i) % padded_] = static_cast<float>(std::sin(angle) / padded_);
    }
    stockham_.transform(kernel_, spare_);
}

void Bluestein::transform(Parts& parts) {
    for (int i = 0; i < length_; ++i) {
        work_.real[i] = parts.real[i] * chirp_.real[i] - parts.imag[i] * chirp_.imag[i];
        work_.imag[i] = parts.real[i] * chirp_.imag[i] + parts.imag[i] * chirp_.real[i];
    }
    std::fill(work_.real.begin() + length_, work_.real.end(), 0.0f);
    std::fill(work_.imag.begin() + length_, work_.imag.end(), 0.0f);
    stockham_.transform(work_, spare_);
    for (int i = 0; i < padded_; ++i) {  // conjugated, which turns the next transform around
        const float real = work_.real[i] * kernel_.real[i] - work_.imag[i] * kernel_.imag[i];
        work_.imag[i] = -(work_.real[i] * kernel_.imag[i] + work_.imag[i] * kernel_.real[i]);
        work_.real[i] = real;
    }
    stockham_.transform(work_, spare_);
    for (int i = 0; i < length_; ++i) {
        parts.real[i] = work_.real[i] * chirp_.real[i] + work_.imag[i] * chirp_.imag[i];
        parts.imag[i] = work_.real[i] * chirp_.imag[i] - work_.imag[i] * chirp_.real[i];
    }
}

}  // namespace stems
