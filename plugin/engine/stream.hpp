#pragma once

#include <complex>
#include <vector>

#include "clustering.hpp"
#include "fourier.hpp"
#include "loudness.hpp"
#include "network.hpp"
#include "overlap_add.hpp"
#include "step.hpp"

namespace stems {

constexpr int WHOLE_HOP = -1;

/// Separation of a stream of audio, block by block, from what has been heard so far; `stems.Stream` in C++.
///
/// Blocks may be of any size, and change in size: the output is the same. The work on a frame is spread over `spread`
/// samples, by which the output is later than the frame alone would make it, so that no block pays for all of it.
/// After a second of digital silence nothing is computed until something sounds again, and what was learned of the music
/// stays. After construction nothing allocates, locks or throws.
class Stream {
public:
    /// sample_rate: Hz, from 8000 to 192000; channels: 1 or 2; mixes: of stems, that come out at the same time;
    /// spread: samples, at most a hop, which is the default.
    ///
    /// Throws ModelError if the weights do not fit their card.
    Stream(const Model& model, double sample_rate, int channels, int mixes, int spread = WHOLE_HOP);
    Stream(const Stream&) = delete;  // its steps point to it

    /// Samples by which the output is late.
    int latency() const { return static_cast<int>(windows_.synthesis.size()) - 1 + spread_; }
    int stems() const { return stems_; }
    int bands() const { return bands_; }
    int mixes() const { return mixes_; }
    const Grid& grid() const { return grid_; }

    /// Forgets all that was heard; clusters that are frozen stay where they are.
    void reset();
    /// 1 is what the model learned; lower bleeds softly, higher cuts hard.
    void set_sensitivity(float sensitivity) { sensitivity_ = sensitivity; }
    /// Time constant with which the clusters follow the music, in seconds; 0 freezes them.
    void set_follow_seconds(double seconds) { centroids_.set_follow_seconds(seconds); }
    /// Where the clusters are, (stems, dimensions), of unit length.
    const float* centroids() const { return centroids_.centroids(); }
    /// Has the clusters rest at a place that a stream of the same model had found, until they are to follow again.
    void freeze_at(const float* centroids);
    /// Amplitudes, (mixes, stems). A change fades in over a window.
    float* gains() { return gains_.data(); }

    /// Separates the next block.
    ///
    /// A block that holds NaN, infinite or absurdly large samples is taken as silence and comes out as silence.
    ///
    /// input: (channels, samples); mixture: the same, `latency` ago; mixes: (mixes * channels, samples). Outputs may be
    /// the inputs.
    void run(const float* const* input, float* const* mixture, float* const* mixes, int samples);

    /// Frames that are finished since all was forgotten.
    long long frames_done() const { return frames_done_; }
    /// What was computed since all was forgotten, in about as many multiplications.
    double work_done() const { return work_done_; }
    /// Shares of the stems in the last frame, (stems, bands).
    const float* shares() const { return centroids_.shares(); }
    /// Powers of the bands of the last frame, both channels together, at the level that the network knows: (bands,).
    const float* powers() const { return powers_.data(); }
    /// Mean square of each stem in the last frame, before its fader: (stems,).
    const float* stem_powers() const { return stem_powers_.data(); }

private:
    void plan();
    /// A step that is left out while something is so.
    Step unless(const bool& idle, Step step);
    void hear(const float* const* input, int first, int samples, bool silent);
    void start_frame();
    void work_until(double cost);
    void analyse();
    void follow();
    void synthesise(int mix, int channel);
    void finish(int mix, int channel);
    void speak(float* const* mixture, float* const* mixes, int first, int samples);

    Grid grid_;
    Windows windows_;
    int channels_, mixes_, stems_, bands_, spread_, rest_hops_;
    float kappa_, sensitivity_ = 1;
    std::vector<int> band_of_bin_;
    std::vector<float> widths_, gains_;
    Network network_;
    RunningLoudness loudness_;
    RunningCentroids centroids_;
    Fourier fourier_;
    std::vector<OverlapAdd> overlaps_;  // (mixes * channels)

    Steps steps_;
    double total_cost_ = 0, done_cost_ = 0, work_done_ = 0;
    std::size_t next_step_ = 0;

    long long heard_ = 0, frames_done_ = 0;              // samples, frames
    int silent_hops_ = 0;                                // since anything sounded
    std::vector<std::vector<float>> history_, delayed_;  // of each channel: its last window, and its way out
    std::vector<std::vector<float>> ready_;              // (mixes * channels), of two hops
    int delayed_place_ = 0;

    // of the frame that is worked on
    bool frame_silent_ = true, frame_rests_ = true;
    float frame_gain_ = 1, frame_sensitivity_ = 1;
    std::vector<float> frame_gains_, powers_, stem_powers_, mask_, signal_;
    std::vector<std::vector<float>> frames_;
    std::vector<std::vector<std::complex<float>>> spectra_;
    std::vector<std::complex<float>> masked_;
};

}  // namespace stems
