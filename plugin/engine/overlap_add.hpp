#pragma once

#include <vector>

namespace stems {

/// Adds up frames that overlap; each finishes `hop` samples, which no later frame will touch.
class OverlapAdd {
public:
    /// window: of synthesis, which ends with the last sample of a frame.
    OverlapAdd(const std::vector<float>& window, int hop) : window_(window), hop_(hop), sums_(window.size()) {}

    void reset() { sums_.assign(sums_.size(), 0.0f); }

    /// frame: its last samples, as many as the window has, or none for silence. -> (hop,)
    void add(const float* frame, float* finished) {
        if (frame)
            for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += frame[i] * window_[i];
        for (int i = 0; i < hop_; ++i) finished[i] = sums_[i];
        for (std::size_t i = hop_; i < sums_.size(); ++i) sums_[i - hop_] = sums_[i];
        for (std::size_t i = sums_.size() - hop_; i < sums_.size(); ++i) sums_[i] = 0;
    }

private:
    std::vector<float> window_;
    int hop_;
    std::vector<float> sums_;
};

}  // namespace stems
