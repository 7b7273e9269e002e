#include "fourier.hpp"

#include <vector>

namespace stems {

Fourier::Fourier(int length) : length_(length) {
    std::vector<float> silence(length);
    std::vector<std::complex<float>> spectrum(bins());
    forward(silence.data(), spectrum.data());  // plans are made at the first call
    inverse(spectrum.data(), silence.data());
}

void Fourier::forward(const float* signal, std::complex<float>* spectrum) {
    transform_.fwd(spectrum, signal, length_);
}

void Fourier::inverse(const std::complex<float>* spectrum, float* signal) {
    transform_.inv(signal, spectrum, length_);
    const float scale = 1.0f / static_cast<float>(length_);
    for (int i = 0; i < length_; ++i) signal[i] *= scale;
}

}  // namespace stems
