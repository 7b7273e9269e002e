#pragma once

#include <vector>

namespace stems {

constexpr double REFERENCE_RATE = 44100;  // Hz, at which window, hop and bands are defined
constexpr int OVERLAP = 4;                // windows that cover each sample
constexpr float FLOOR_DB = -100.0f;       // lowest level; mono audio has its side there

/// Windows and hops of one sample rate, so that frames and bins lie at the same seconds and Hz at every rate.
struct Grid {
    double sample_rate;  // Hz
    int hop;             // samples from one frame to the next
    int window;          // samples in a frame
    int bins;            // frequencies in a frame, from 0 Hz to half the sample rate

    /// reference_window: window length in samples at 44.1 kHz; the hop is a quarter of it.
    Grid(double sample_rate, int reference_window);

    double frame_seconds() const { return hop / sample_rate; }
};

/// What a frame is multiplied with before its transform and after the inverse one.
///
/// Both end with the last sample of a frame. The synthesis may be the shorter one, which then sets the latency.
struct Windows {
    std::vector<float> analysis;   // (grid.window,), scaled so that a full-scale sine is at 0 dB at every rate
    std::vector<float> synthesis;  // a multiple of the hop; the products of both sum to one over a hop's overlaps
};

/// Periodic Hann windows, twice.
Windows make_windows(const Grid& grid);

}  // namespace stems
