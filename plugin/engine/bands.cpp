#include "bands.hpp"

#include <algorithm>
#include <cmath>

#include "error.hpp"

namespace stems {

std::vector<int> Bands::edges() const {
    const double bin_hz = REFERENCE_RATE / reference_window;
    const int single = static_cast<int>(std::nearbyint(single_hz / bin_hz));
    const int top = static_cast<int>(std::nearbyint(top_hz / bin_hz));
    const int wide = count - 1 - single;
    if (single < 1 || wide < 1 || top - single < wide || top >= reference_window / 2 + 1)
        throw ModelError("its bands do not fit between their lowest and highest frequencies");
    std::vector<int> edges(single);
    for (int band = 0; band < single; ++band) edges[band] = band;
    const double low = std::log10(single), step = (std::log10(top) - low) / wide;
    for (int band = 0; band < wide; ++band)
        edges.push_back(band == 0 ? single : static_cast<int>(std::nearbyint(std::pow(10.0, low + band * step))));
    edges.push_back(top);
    for (std::size_t band = 1; band < edges.size(); ++band) edges[band] = std::max(edges[band], edges[band - 1] + 1);
    edges.push_back(reference_window / 2 + 1);
    return edges;
}

namespace {

/// How many of the inner edges a bin has reached, which is the number of its band.
int band_at(const std::vector<int>& edges, double bin) {
    return static_cast<int>(std::upper_bound(edges.begin() + 1, edges.end() - 1, bin) - (edges.begin() + 1));
}

}  // namespace

std::vector<int> Bands::of_bins(const Grid& grid) const {
    const std::vector<int> firsts = edges();
    const double ratio = grid.sample_rate / grid.window / (REFERENCE_RATE / reference_window);
    std::vector<int> bands(grid.bins);
    for (int bin = 0; bin < grid.bins; ++bin) bands[bin] = band_at(firsts, std::nearbyint(bin * ratio));
    return bands;
}

std::vector<int> Bands::at_multiple(double multiple) const {
    const std::vector<int> firsts = edges();
    std::vector<int> bands(count);
    for (int band = 0; band < count; ++band) {
        const double bin = std::nearbyint(multiple * ((firsts[band] + firsts[band + 1] - 1) / 2.0));
        bands[band] = bin < firsts.back() ? band_at(firsts, bin) : count;
    }
    return bands;
}

std::vector<float> Bands::widths(const Grid& grid) const {
    std::vector<float> widths(count);
    for (const int band : of_bins(grid)) widths[band] += 1;
    for (float& width : widths) width = std::max(width, 1.0f);
    return widths;
}

}  // namespace stems
