#pragma once

#include <vector>

#include "grid.hpp"

namespace stems {

/// Groups of neighbouring bins on which embeddings and masks live: single ones at the bottom, then ever wider groups.
struct Bands {
    int count = 192;
    double single_hz = 700;       // up to here every bin is a band of its own
    double top_hz = 16000;        // lower edge of the last band
    int reference_window = 4096;  // of analysis, samples at 44.1 kHz
    int reference_synthesis = 0;  // likewise; 0 stands for the same

    /// The frames and bins of a sample rate.
    Grid grid(double sample_rate) const { return Grid(sample_rate, reference_window, reference_synthesis); }

    /// First reference bin of each band, and the end of the last: (count + 1,). Throws ModelError if they do not fit.
    std::vector<int> edges() const;
    /// The band of every bin of a grid, (bins,); bins above 22.05 kHz belong to the last.
    std::vector<int> of_bins(const Grid& grid) const;
    /// The band at a multiple of each band's middle, (count,): `count` where it is beyond the last.
    std::vector<int> at_multiple(double multiple) const;
    /// Bins in each band, (count,); at least 1, though low sample rates leave the top bands empty.
    std::vector<float> widths(const Grid& grid) const;
};

}  // namespace stems
