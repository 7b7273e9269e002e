#pragma once

#include <vector>

namespace stems {

/// Complex numbers, real and imaginary parts apart, so that neighbours are computed at once.
struct Parts {
    std::vector<float> real, imag;

    explicit Parts(int length) : real(length), imag(length) {}
};

/// Prime factors of a length, smallest first, but fours before all; the last is the largest unless it is a four.
std::vector<int> radices(int length);

/// The complex Fourier transform of one length, which allocates nothing once it is made.
///
/// Stockham's algorithm for mixed radices (Van Loan, "Computational Frameworks for the Fast Fourier Transform", 1992). The
/// largest prime factor comes last, where its loops are the longest; the time grows with it.
class Stockham {
public:
    explicit Stockham(int length);

    /// In place, not scaled; spare: of the same length, which is overwritten.
    void transform(Parts& parts, Parts& spare) const;

private:
    /// One radix of it.
    struct Stage {
        int radix, rest, stride;                    // rest: numbers that are still to be transformed together, / radix
        std::vector<float> roots_real, roots_imag;  // (radix,) of unity
        std::vector<float> twiddles_real, twiddles_imag;  // (rest, radix)
    };

    static void run(const Stage& stage, const Parts& from, Parts& to);
    static void run_by_four(const Stage& stage, const Parts& from, Parts& to);

    std::vector<Stage> stages_;
};

}  // namespace stems
