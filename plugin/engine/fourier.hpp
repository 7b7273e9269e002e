#pragma once

#include <complex>
#include <memory>
#include <vector>

#include "bluestein.hpp"
#include "stockham.hpp"

namespace stems {

/// A Fourier transform of real signals of one length, a multiple of 4, which allocates nothing once it is made.
///
/// It is made of a complex one of half the length.
class Fourier {
public:
    explicit Fourier(int length);

    int length() const { return 2 * half_; }
    int bins() const { return half_ + 1; }
    /// About how long it takes, in multiplications.
    double cost() const;

    /// (length,) -> (bins,)
    void forward(const float* signal, std::complex<float>* spectrum);
    /// (bins,) -> (length,), scaled so that it undoes `forward`.
    void inverse(const std::complex<float>* spectrum, float* signal);

private:
    void transform();

    int half_;
    std::unique_ptr<Stockham> stockham_;    // for one of these two
    std::unique_ptr<Bluestein> bluestein_;
    std::vector<std::complex<float>> turns_;  // (half + 1,), which take the two halves of a real signal apart
    Parts parts_, spare_;
};

}  // namespace stems
