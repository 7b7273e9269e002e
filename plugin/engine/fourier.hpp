#pragma once

#include <complex>
#include <vector>

namespace stems {

/// A Fourier transform of real signals of one length, a multiple of 4, which allocates nothing once it is made.
///
/// Stockham's algorithm for mixed radices (Van Loan, "Computational Frameworks for the Fast Fourier Transform", 1992), on
/// half as many complex numbers. The largest prime factor comes last, where its loops are the longest.
class Fourier {
public:
    explicit Fourier(int length);

    int length() const { return 2 * half_; }
    int bins() const { return half_ + 1; }

    /// (length,) -> (bins,)
    void forward(const float* signal, std::complex<float>* spectrum);
    /// (bins,) -> (length,), scaled so that it undoes `forward`.
    void inverse(const std::complex<float>* spectrum, float* signal);

private:
    /// One radix of the complex transform.
    struct Stage {
        int radix, rest, stride;                   // rest: numbers that are still to be transformed together, / radix
        std::vector<float> roots_real, roots_imag;  // (radix,) of unity
        std::vector<float> twiddles_real, twiddles_imag;  // (rest, radix)
    };
    /// Real and imaginary parts apart, so that neighbours are computed at once.
    struct Parts {
        std::vector<float> real, imag;
    };

    void transform();
    void run(const Stage& stage, const Parts& from, Parts& to) const;
    void run_by_four(const Stage& stage, const Parts& from, Parts& to) const;

    int half_;
    std::vector<Stage> stages_;
    std::vector<std::complex<float>> turns_;  // (half + 1,), which take the two halves of a real signal apart
    Parts parts_, spare_;
};

}  // namespace stems
