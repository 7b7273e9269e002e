#pragma once

#include <vector>

namespace stems {

constexpr double REFERENCE_RATE = 44100;  // Hz, at which window, hop and bands are defined
constexpr int OVERLAP = 4;                // synthesis windows that cover each sample
constexpr float FLOOR_DB = -100.0f;       // lowest level; mono audio has its side there

/// Windows and hops of one sample rate, so that frames and bins lie at the same seconds and Hz at every rate.
struct Grid {
    double sample_rate;    // Hz
    int hop;               // samples from one frame to the next
    int synthesis_window;  // samples at the end of a frame that are added to the output
    int window;            // samples in a frame
    int bins;              // frequencies in a frame, from 0 Hz to half the sample rate

    /// reference_window: length of the analysis window in samples at 44.1 kHz; reference_synthesis: that of the
    /// synthesis window, which divides it, and the hop is a quarter of it; 0 stands for the whole window.
    Grid(double sample_rate, int reference_window, int reference_synthesis = 0);

    double frame_seconds() const { return hop / sample_rate; }
};

/// What a frame is multiplied with before its transform and after the inverse one; both end with its last sample.
///
/// A short synthesis window has the latency of a short window at the frequency resolution of a long one (Mauler & Martin,
/// "A low delay, variable resolution, perfect reconstruction spectral analysis-synthesis system", EUSIPCO 2007).
struct Windows {
    std::vector<float> analysis;   // (grid.window,), scaled so that a full-scale sine is at 0 dB at every rate
    std::vector<float> synthesis;  // (grid.synthesis_window,); the products of both sum to one where frames overlap
};

/// Analysis by a long rise and a fall as short as that of the synthesis window, both halves of periodic Hann windows;
/// with the synthesis window it makes up a squared Hann window. Where both are as long, they are Hann windows.
Windows make_windows(const Grid& grid);

}  // namespace stems
