#pragma once

#include <complex>

#include <unsupported/Eigen/FFT>

namespace stems {

/// A Fourier transform of real signals of one even length, which allocates nothing once it is made.
class Fourier {
public:
    explicit Fourier(int length);

    int length() const { return length_; }
    int bins() const { return length_ / 2 + 1; }

    /// (length,) -> (bins,)
    void forward(const float* signal, std::complex<float>* spectrum);
    /// (bins,) -> (length,), scaled so that it undoes `forward`.
    void inverse(const std::complex<float>* spectrum, float* signal);

private:
    int length_;
    Eigen::internal::kissfft_impl<float> transform_;
};

}  // namespace stems
