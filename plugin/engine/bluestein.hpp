#pragma once

#include "stockham.hpp"

namespace stems {

/// The complex Fourier transform of a length that has a large prime factor, as a convolution of a length that is fast.
///
/// L. Bluestein, "A linear filtering approach to the computation of discrete Fourier transform", 1970. It takes about as
/// long as six transforms of a length without large factors, whatever the length.
class Bluestein {
public:
    explicit Bluestein(int length);

    /// The first `length` numbers, in place, not scaled.
    void transform(Parts& parts);
    /// Length of the transforms that it is made of.
    int padded() const { return padded_; }

private:
    int length_, padded_;
    Stockham stockham_;
    Parts chirp_, kernel_, work_, spare_;
};

}  // namespace stems
